#pragma once
// Structured logs: one line an event, `key=value` or JSON, to stderr. Secrets never come here.
//
//   log(Level::kInfo, "replica ready", {{"model", m}, {"replica", id}, {"seconds", "61.2"}});
//
// Thread-safe. spdlog stays behind this header (it takes seconds to compile).

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace tidegate::net {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kText, kJson };

void configure_log(Level level, LogFormat format);
void log(Level level, std::string_view message,
         std::initializer_list<std::pair<std::string_view, std::string>> fields = {});

}  // namespace tidegate::net
