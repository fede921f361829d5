#include "cli/admin_client.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "live/net/http_client.h"

namespace tidegate::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string address_text(const AdminFlags& flags) {
  if (!flags.admin.empty()) return flags.admin;
  if (const char* env = std::getenv("TIDEGATE_ADMIN"); env != nullptr && *env != '\0') return env;
  std::ifstream file(flags.state_dir + "/run.json");
  Json run = Json::parse(file, nullptr, false);
  if (run.is_object() && run.contains("admin") && run["admin"].is_string()) return run["admin"];
  return "127.0.0.1:8081";
}

Result<Json> ask(const AdminFlags& flags, const std::string& method, const std::string& path,
                 std::string body) {
  const std::string text = address_text(flags);
  auto address = net::parse_address(text);
  if (!address) return fail(address.error().within("admin address"));
  net::ClientRequest request{.address = *address, .method = method, .path = path};
  request.headers.add("Accept", "application/json");
  if (const char* token = std::getenv("TIDEGATE_ADMIN_TOKEN"); token != nullptr) {
    request.headers.add("Authorization", std::string("Bearer ") + token);
  }
  if (method == "POST") {
    request.headers.add("Content-Type", "application/json");
    request.body = std::move(body);
  }
  request.connect_timeout = seconds(2);
  auto response = net::fetch_blocking(std::move(request), seconds(10));
  if (!response) {
    return fail(
        fmt::format("no tidegate answers at {} ({}); start one with `tidegate run -f FILE`, "
                    "or name its admin address with --admin",
                    text, response.error().message));
  }
  Json json = Json::parse(response->body, nullptr, false);
  const Json error = json.is_object() ? json.value("error", Json()) : Json();
  if (response->status >= 300 && error.is_object() && error.value("message", Json()).is_string()) {
    return fail(fmt::format("{} (HTTP {})", error["message"].get<std::string>(), response->status));
  }
  if (response->status >= 300 || !json.is_object()) {
    return fail(
        fmt::format("what answers at {} is no admin API of tidegate (HTTP {} to {} {}); "
                    "name its address with --admin",
                    text, response->status, method, path));
  }
  return json;
}

}  // namespace

Result<Json> admin_get(const AdminFlags& flags, const std::string& path) {
  return ask(flags, "GET", path, "");
}

Result<Json> admin_post(const AdminFlags& flags, const std::string& path, const Json& body) {
  return ask(flags, "POST", path, body.dump());
}

Format parse_format(const std::string& text) {
  return text == "json" ? Format::kJson : Format::kTable;
}

void print_results(const Json& results) {
  fmt::print("{}\n", Json{{"schemaVersion", 1}, {"results", results}}.dump(2));
}

int report(const Error& error) {
  std::fprintf(stderr, "tidegate: error: %s\n", error.message.c_str());
  return 1;
}

}  // namespace tidegate::cli
