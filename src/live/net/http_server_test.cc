#include "live/net/http_server.h"

#include <sys/resource.h>

#include "live/net/http_server_core.h"
#include "live/net/test_socket.h"

namespace tidegate::net {
namespace {

class HttpServerTest : public ::testing::Test {
 protected:
  void serve(HttpServer::Handler handler) {
    server = std::make_unique<HttpServer>(*loop, limits, std::move(handler));
    address = server->listen({"127.0.0.1", 0}).value();
  }
  /// Answers with what it saw.
  void serve_echo() {
    serve([this](ExchangePtr x) {
      ++handled;
      x->respond(200, {},
                 x->request().method + " " + x->request().path + "?" + x->request().query + " [" +
                     x->request().body + "]");
    });
  }
  std::unique_ptr<Loop> loop = Loop::create().value();
  Limits limits;
  std::unique_ptr<HttpServer> server;
  Address address;
  int handled = 0;
};

struct Row {
  const char* label;
  std::string request;
  std::string expect;  ///< the answer holds this
  bool stays_open = true;
};

TEST_F(HttpServerTest, ReadsEveryFormOfRequestAtEverySplit) {
  serve_echo();
  const Row rows[] = {
      {"a plain GET", "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a?b=c []"},
      {"empty lines before the request are skipped", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
       "GET /? []"},
      {"a body with Content-Length",
       "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "POST /p? [hello]"},
      {"a body in chunks, with extensions and trailers",
       "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
       "3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n",
       "POST /p? [hello]"},
      {"absolute-form", "GET http://other:1/a/b?q HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a/b?q []"},
      {"absolute-form without a path", "GET http://other HTTP/1.1\r\nHost: x\r\n\r\n", "GET /? []"},
      {"HTTP/1.0 closes", "GET /old HTTP/1.0\r\n\r\n", "GET /old? []", false},
      {"HTTP/1.0 with keep-alive stays", "GET /old HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
       "Connection: keep-alive\r\n\r\nGET /old? []"},
      {"Connection: close closes", "GET /c HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n",
       "GET /c? []", false},
      {"the answer to a HEAD names the length of the body it leaves out",
       "HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n", "Content-Length: 11\r\n\r\n"},
  };
  for (const Row& row : rows) {
    for (std::size_t split = 0; split < row.request.size(); ++split) {
      SCOPED_TRACE(std::string(row.label) + ", split at " + std::to_string(split));
      RawSocket client(*loop, address);
      client.send(row.request.substr(0, split));
      loop->run_for(Duration(0));
      client.send(row.request.substr(split));
      ASSERT_TRUE(client.wait_for(row.expect)) << client.in;
      EXPECT_TRUE(client.in.starts_with("HTTP/1.1 200 OK\r\n"));
      if (row.stays_open) {
        client.in.clear();
        client.send("GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
        ASSERT_TRUE(client.wait_for("GET /again? []"));
        EXPECT_TRUE(client.in.starts_with("HTTP/1.1 200")) << client.in;
      } else {
        ASSERT_TRUE(client.wait_end());
        EXPECT_NE(client.in.find("Connection: close\r\n"), std::string::npos);
        EXPECT_FALSE(client.was_reset);
      }
    }
  }
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredOneAfterAnother) {
  std::vector<ExchangePtr> waiting;
  serve([&](ExchangePtr x) { waiting.push_back(x); });
  RawSocket client(*loop, address);
  client.send(
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
      "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
  for (std::size_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(client.wait([&] { return waiting.size() == n; }));
    loop->run_for(Duration(0));
    ASSERT_EQ(waiting.size(), n) << "the next one waits for this one's answer";
    EXPECT_EQ(waiting.back()->request().path, "/" + std::to_string(n));
    waiting.back()->respond(200, {}, "<" + std::to_string(n) + ">");
  }
  ASSERT_TRUE(client.wait_for("<3>"));
  EXPECT_LT(client.in.find("<1>"), client.in.find("<2>"));
  EXPECT_EQ(waiting[1]->request().body, "ab");
}

TEST_F(HttpServerTest, SmugglingIsRefused) {
  serve_echo();
  const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  const Row rows[] = {
      {"Content-Length with Transfer-Encoding",
       post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
      {"Transfer-Encoding before Content-Length",
       post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", ""},
      {"two lengths that differ", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", ""},
      {"two lengths that agree", post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", ""},
      {"a list of lengths", post + "Content-Length: 2, 2\r\n\r\nab", ""},
      {"a signed length", post + "Content-Length: +2\r\n\r\nab", ""},
      {"a negative length", post + "Content-Length: -2\r\n\r\nab", ""},
      {"a hexadecimal length", post + "Content-Length: 0x2\r\n\r\nab", ""},
      {"an empty length", post + "Content-Length:\r\n\r\nab", ""},
      {"a length that overflows", post + "Content-Length: 18446744073709551617\r\n\r\na", ""},
      {"bare LF ends the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n", ""},
      {"bare LF ends a header", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", ""},
      {"bare LFs only", "GET / HTTP/1.1\nHost: x\n\n", ""},
      {"bare CR in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc: d\r\n\r\n", ""},
      {"bare CR in a name", "GET / HTTP/1.1\r\nHost: x\r\nA\r: b\r\n\r\n", ""},
      {"NUL in a value", std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 35), ""},
      {"a folded header", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", ""},
      {"a folded first header", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", ""},
      {"a blank before the colon", post + "Content-Length : 2\r\n\r\nab", ""},
      {"a tab before the colon", post + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", ""},
      {"a blank inside a name", "GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n", ""},
      {"an empty name", "GET / HTTP/1.1\r\nHost: x\r\n: c\r\n\r\n", ""},
      {"a header without a colon", "GET / HTTP/1.1\r\nHost: x\r\nAB\r\n\r\n", ""},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", ""},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", ""},
      {"a Host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", ""},
      {"an unknown encoding", post + "Transfer-Encoding: xchunked\r\n\r\n", ""},
      {"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", ""},
      {"two Transfer-Encodings",
       post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", ""},
      {"an encoding hidden by a vertical tab", post + "Transfer-Encoding: \vchunked\r\n\r\n", ""},
      {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
      {"a chunk size that is no number", chunked + "zz\r\nab\r\n0\r\n\r\n", ""},
      {"a chunk size with 0x", chunked + "0x2\r\nab\r\n0\r\n\r\n", ""},
      {"a negative chunk size", chunked + "-1\r\nab\r\n0\r\n\r\n", ""},
      {"an empty chunk size", chunked + "\r\nab\r\n0\r\n\r\n", ""},
      {"a chunk size that overflows", chunked + "10000000000000002\r\nab\r\n0\r\n\r\n", ""},
      {"a blank after a chunk size", chunked + "2 \r\nab\r\n0\r\n\r\n", ""},
      {"bare LF after a chunk size", chunked + "2\nab\r\n0\r\n\r\n", ""},
      {"bare LF in a chunk extension", chunked + "2;a\nb\r\nab\r\n0\r\n\r\n", ""},
      {"a chunk longer than its size", chunked + "2\r\nabc\r\n0\r\n\r\n", ""},
      {"bare LF after a chunk", chunked + "2\r\nab\n0\r\n\r\n", ""},
      {"bare LF in a trailer", chunked + "0\r\nA: b\nC: d\r\n\r\n", ""},
      {"a folded trailer", chunked + "0\r\nA: b\r\n c\r\n\r\n", ""},
      {"two blanks in the request line", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
      {"a blank in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", ""},
      {"a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", ""},
      {"no version", "GET /\r\nHost: x\r\n\r\n", ""},
      {"a method nobody knows", "G=T / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
      {"a target that is no path", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", ""},
      {"TLS", std::string("\x16\x03\x01\x00\xa5", 5), ""},
  };
  for (const Row& row : rows) {
    for (bool bytewise : {false, true}) {
      SCOPED_TRACE(std::string(row.label) + (bytewise ? ", byte by byte" : ""));
      RawSocket client(*loop, address);
      for (std::size_t i = 0; bytewise && i < row.request.size(); ++i) {
        client.send(row.request.substr(i, 1));
        loop->run_for(Duration(0));
      }
      if (!bytewise) client.send(row.request);
      ASSERT_TRUE(client.wait_end());
      EXPECT_TRUE(client.in.starts_with("HTTP/1.1 400 Bad Request\r\n")) << client.in;
      EXPECT_EQ(client.in.find("HTTP/1.1", 1), std::string::npos) << "one answer, then the end";
    }
  }
  EXPECT_EQ(handled, 0);
}

TEST_F(HttpServerTest, OtherRefusalsHaveTheirOwnStatus) {
  serve_echo();
  const Row rows[] = {
      {"a version from the future", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "HTTP/1.1 505 "},
      {"CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 501 "},
      {"an unknown expectation", "GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n",
       "HTTP/1.1 417 "},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    RawSocket client(*loop, address);
    client.send(row.request);
    ASSERT_TRUE(client.wait_end());
    EXPECT_TRUE(client.in.starts_with(row.expect)) << client.in;
  }
}

TEST_F(HttpServerTest, ExpectContinueIsAnsweredBeforeTheBody) {
  serve_echo();
  RawSocket client(*loop, address);
  client.send("POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(client.wait_for("HTTP/1.1 100 Continue\r\n\r\n"));
  EXPECT_EQ(handled, 0);
  client.send("ok");
  ASSERT_TRUE(client.wait_for("POST /e? [ok]"));
}

TEST_F(HttpServerTest, StreamsInEveryFraming) {
  serve([&](ExchangePtr x) {
    Headers headers;
    if (x->request().path == "/length") headers.add("content-length", "6");
    x->start(x->request().path == "/none" ? 204 : 200, headers);
    x->write("abc");
    x->write("");
    x->write("def");
    x->finish();
  });
  const Row rows[] = {
      {"chunked by default", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
       "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"},
      {"with the length given", "GET /length HTTP/1.1\r\nHost: x\r\n\r\n",
       "Content-Length: 6\r\n\r\nabcdef"},
      {"HTTP/1.0 ends with the connection", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
       "Connection: close\r\n\r\nabcdef", false},
      {"no body after 204",
       "GET /none HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
       "GMT\r\n\r\nHTTP/1.1 200 OK"},
      {"no body after HEAD", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
       "chunked\r\n\r\nHTTP/1.1 200 OK"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    RawSocket client(*loop, address);
    client.send(row.request);
    ASSERT_TRUE(client.wait_for(row.expect)) << client.in;
    if (!row.stays_open) {
      EXPECT_TRUE(client.wait_end());
    }
  }
}

TEST_F(HttpServerTest, HeaderValuesCannotSplitTheResponse) {
  serve([&](ExchangePtr x) {
    Headers headers;
    headers.add("X-Good", "1");
    headers.add("X-Bad", "1\r\nSet-Cookie: a");
    headers.add("Bad name", "1");
    headers.add("Transfer-Encoding", "chunked");
    headers.add("Content-Length", "99");
    x->respond(200, headers, "ok");
  });
  RawSocket client(*loop, address);
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.wait_for("Content-Length: 2\r\n\r\nok")) << client.in;
  EXPECT_NE(client.in.find("X-Good: 1\r\n"), std::string::npos);
  for (const char* text : {"Bad", "Cookie", "chunked", "99"}) {
    EXPECT_EQ(client.in.find(text), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace tidegate::net
