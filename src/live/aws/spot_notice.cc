#include "live/aws/spot_notice.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "live/net/log.h"

namespace tidegate::live::aws {
namespace {

/// {"action":"terminate","time":"2026-01-02T03:06:05Z"}
std::string words_of(const std::string& body) {
  const auto notice = nlohmann::json::parse(body, nullptr, false);
  auto text = [&](const char* key) {
    return notice.is_object() && notice.contains(key) && notice[key].is_string()
               ? notice[key].get<std::string>()
               : std::string("unknown");
  };
  return "action " + text("action") + " at " + text("time");
}

}  // namespace

SpotNotice::SpotNotice(net::Loop& loop, net::HttpClient& client, net::Address metadata,
                       std::function<void(const std::string& words)> told, Duration period)
    : loop_(loop),
      metadata_(loop, client, std::move(metadata)),
      told_(std::move(told)),
      period_(period) {
  timer_ = loop_.after(Duration(0), [this] { ask(); });
}

void SpotNotice::ask() {
  timer_ = net::Loop::TimerId::kNone;
  metadata_.get("/latest/meta-data/spot/instance-action", [this](Result<net::Response> answer) {
    if (answer && answer->status == 200) return told_(words_of(answer->body));
    if (answer) {
      silent_ = false;
    } else if (!std::exchange(silent_, true)) {
      net::log(net::Level::kWarn, "spot notices cannot be read",
               {{"error", answer.error().message}});
    }
    timer_ = loop_.after(period_, [this] { ask(); });
  });
}

}  // namespace tidegate::live::aws
