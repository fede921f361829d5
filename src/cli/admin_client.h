#pragma once
// How the verbs that speak to a running `tidegate run` find it and ask it.
//
// Address: --admin, else $TIDEGATE_ADMIN, else what run wrote to STATE/run.json, else
// 127.0.0.1:8081. Token: $TIDEGATE_ADMIN_TOKEN. Blocking; errors say which address was tried and
// how to start one.

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/result.h"

namespace tidegate::cli {

struct AdminFlags {
  std::string admin;                    // --admin HOST:PORT
  std::string state_dir = ".tidegate";  // --state DIR
};

Result<nlohmann::ordered_json> admin_get(const AdminFlags& flags, const std::string& path);
Result<nlohmann::ordered_json> admin_post(const AdminFlags& flags, const std::string& path,
                                          const nlohmann::ordered_json& body);

enum class Format { kTable, kJson };
/// "table" or "json"; main.cc checks the value.
Format parse_format(const std::string& text);
/// Prints {schemaVersion, results}.
void print_results(const nlohmann::ordered_json& results);
/// Prints "tidegate: error: message" and returns 1.
int report(const Error& error);

}  // namespace tidegate::cli
