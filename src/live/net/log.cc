#include "live/net/log.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <memory>

namespace tidegate::net {
namespace {

std::atomic<LogFormat> g_format{LogFormat::kText};

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>("tidegate",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_formatter(
        std::make_unique<spdlog::pattern_formatter>(kTextPattern, spdlog::pattern_time_type::utc));
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum spd_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// Quoted and escaped, so that one event stays one line whatever a client sent.
void append_quoted(fmt::memory_buffer& out, std::string_view text) {
  out.push_back('"');
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out.append(std::string_view("\\n"));
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void append_value(fmt::memory_buffer& out, std::string_view text) {
  bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != '"' && c != '\\' && c != '=' && c != 0x7f;
  });
  if (plain) {
    out.append(text);
  } else {
    append_quoted(out, text);
  }
}

}  // namespace

void configure_log(Level level, LogFormat format) {
  g_format = format;
  logger().set_level(spd_level(level));
  logger().set_formatter(std::make_unique<spdlog::pattern_formatter>(
      format == LogFormat::kJson ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc));
}

void log(Level level, std::string_view message,
         std::initializer_list<std::pair<std::string_view, std::string>> fields) {
  auto at = spd_level(level);
  if (!logger().should_log(at)) return;
  fmt::memory_buffer line;
  if (g_format == LogFormat::kJson) {
    line.append(std::string_view("\"message\":"));
    append_quoted(line, message);
    for (const auto& [key, value] : fields) {
      line.push_back(',');
      append_quoted(line, key);
      line.push_back(':');
      append_quoted(line, value);
    }
  } else {
    for (char c : message) line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    for (const auto& [key, value] : fields) {
      line.push_back(' ');
      line.append(key);
      line.push_back('=');
      append_value(line, value);
    }
  }
  logger().log(at, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace tidegate::net
