#include <gtest/gtest.h>

#include <thread>

#include "live/load/load.h"
#include "live/net/http_server.h"

namespace tidegate::live {
namespace {

TEST(AskModelTest, TakesTheFirstNameThatIsListed) {
  const struct {
    const char* label;
    const char* base;
    int status;
    const char* body;
    const char* expect;  ///< or what the error says, after "!"
  } rows[] = {
      {"a list", "/", 200, R"({"data":[{"id":"a"},{"id":"b"}]})", "a"},
      {"a URL that ends in /v1", "/v1/", 200, R"({"data":[{"id":"a"}]})", "a"},
      {"a URL with a base", "/base", 200, R"({"data":[{"id":"c"}]})", "c"},
      {"an empty list", "/", 200, R"({"data":[]})", "!no model is listed"},
      {"other JSON", "/", 200, "[1]", "!no model is listed"},
      {"no JSON", "/", 200, "<html>", "!no model is listed"},
      {"an error", "/", 401, "{}", "!status 401"},
  };
  for (const auto& row : rows) {
    auto loop = net::Loop::create().value();
    std::string path;
    net::HttpServer server(*loop, {}, [&](net::ExchangePtr x) {
      path = x->request().path;
      x->respond(row.status, {}, row.body);
    });
    net::Url url{server.listen({"127.0.0.1", 0}).value(), row.base};
    std::thread serving([&] { loop->run(); });
    auto got = ask_model(url, "", seconds(20));
    loop->stop();
    serving.join();
    std::string expect = row.expect;
    if (expect[0] == '!') {
      ASSERT_FALSE(got) << row.label;
      EXPECT_NE(got.error().message.find(expect.substr(1)), std::string::npos)
          << got.error().message;
    } else {
      ASSERT_TRUE(got) << row.label << ": " << got.error().message;
      EXPECT_EQ(*got, expect);
    }
    EXPECT_EQ(path, std::string(row.base) == "/base" ? "/base/v1/models" : "/v1/models")
        << row.label;
  }
}

}  // namespace
}  // namespace tidegate::live
