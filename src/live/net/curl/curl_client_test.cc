#include "live/net/curl/curl_client.h"

#include <gmock/gmock.h>

#include "live/net/test_http_server.h"

namespace tidegate::net {
namespace {

using ::testing::HasSubstr;

class CurlClientTest : public HttpServerFixture {
 protected:
  std::string url(const std::string& path = "/") { return "http://" + address.text() + path; }
  Result<Response> fetch(CurlRequest request) {
    Result<Response> out = fail("no answer");
    bool answered = false;
    client.fetch(std::move(request), [&](Result<Response> r) {
      out = std::move(r);
      answered = true;
    });
    EXPECT_FALSE(answered) << "told from inside the call";
    EXPECT_TRUE(wait([&] { return answered; }));
    return out;
  }
  CurlClient client{*loop};
};

TEST_F(CurlClientTest, method_headers_and_body_arrive_and_the_answer_comes_back) {
  serve([](ExchangePtr x) {
    Headers out;
    out.add("X-Method", x->request().method);
    out.add("X-Type", std::string(x->request().headers.get("Content-Type")));
    x->respond(409, out, x->request().body + x->request().target);
  });
  for (const std::string method : {"POST", "PUT", "PATCH", "DELETE"}) {
    CurlRequest request{.method = method, .url = url("/a?b=c"), .body = "{}"};
    request.headers.add("Content-Type", "application/json");
    auto answer = fetch(request);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 409);
    EXPECT_EQ(answer->headers.get("x-method"), method);
    EXPECT_EQ(answer->headers.get("x-type"), "application/json");
    EXPECT_EQ(answer->body, "{}/a?b=c");
  }
}

TEST_F(CurlClientTest, a_stream_is_told_piece_by_piece_and_cancelled_from_its_own_handler) {
  serve_held();
  std::string seen;
  int ends = 0;
  CurlClient::CallId id{};
  id = client.send({.url = url()}, {.on_data =
                                        [&](std::string_view bytes) {
                                          seen += bytes;
                                          if (seen == "onetwo") client.cancel(id);
                                        },
                                    .on_end = [&] { ++ends; },
                                    .on_error = [&](const ClientError&) { ++ends; }});
  ASSERT_TRUE(wait([&] { return held.size() == 1; }));
  held[0]->start(200, {});
  held[0]->write("one");
  ASSERT_TRUE(wait([&] { return seen == "one"; }));
  held[0]->write("two");
  ASSERT_TRUE(wait([&] { return left == 1; })) << "the server sees the connection closed";
  EXPECT_EQ(seen, "onetwo");
  EXPECT_EQ(ends, 0);
  EXPECT_EQ(client.open_calls(), 0u);
}

TEST_F(CurlClientTest, a_stream_cut_in_the_middle_is_an_error_after_the_head) {
  serve([](ExchangePtr x) {
    x->start(200, {});
    x->write("half");
    x->abort();
  });
  std::string seen;
  std::vector<ClientError> errors;
  client.send({.url = url()}, {.on_data = [&](std::string_view bytes) { seen += bytes; },
                               .on_error = [&](const ClientError& e) { errors.push_back(e); }});
  ASSERT_TRUE(wait([&] { return !errors.empty(); }));
  EXPECT_EQ(seen, "half");
  EXPECT_TRUE(errors[0].after_head);
}

TEST_F(CurlClientTest, errors_say_what_was_asked_and_what_failed) {
  serve_held();
  struct Row {
    CurlRequest request;
    std::string says;
  };
  const Row rows[] = {
      {{.url = "http://127.0.0.1:1/x"}, "http://127.0.0.1:1/x: Failed to connect"},
      {{.url = url("/silent"), .idle_timeout = millis(20)}, "nothing came"},
      {{.url = url("/slow"), .total_timeout = millis(20)}, "timed out"},
      {{.url = "ftp://127.0.0.1/"}, "not supported"},
  };
  for (const Row& row : rows) {
    auto answer = fetch(row.request);
    ASSERT_FALSE(answer) << row.says;
    EXPECT_THAT(answer.error().message, HasSubstr(row.says));
  }
}

TEST_F(CurlClientTest, a_response_may_be_as_long_as_its_limit_and_no_longer) {
  serve([](ExchangePtr x) { x->respond(200, {}, std::string(1000, 'x')); });
  auto whole = fetch({.url = url(), .max_response_bytes = 1000});
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->body.size(), 1000u);
  auto over = fetch({.url = url(), .max_response_bytes = 999});
  ASSERT_FALSE(over);
  EXPECT_THAT(over.error().message, HasSubstr("over 999 bytes"));
}

TEST_F(CurlClientTest, a_client_may_die_with_calls_open) {
  serve_held();
  {
    CurlClient short_lived(*loop);
    short_lived.send({.url = url()}, {});
    ASSERT_TRUE(wait([&] { return held.size() == 1; }));
  }
  EXPECT_TRUE(wait([&] { return left == 1; }));
}

}  // namespace
}  // namespace tidegate::net
