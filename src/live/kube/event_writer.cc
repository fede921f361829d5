#include "live/kube/event_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/kube/time_text.h"
#include "live/net/clock.h"
#include "live/net/log.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

std::string cut(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

std::string place_of(const ObjectReference& of) {
  return of.api_version + "/" + of.kind + "/" + of.ns + "/" + of.name + "/" + of.uid;
}

Resource events_of(const ObjectReference& of) {
  return {"events.k8s.io/v1", "events", of.ns.empty() ? "default" : of.ns};
}

json series_of(std::int64_t count, WallTime last) {
  return {{"count", count}, {"lastObservedTime", format_micro_time(last)}};
}

}  // namespace

EventWriter::EventWriter(std::shared_ptr<KubeClient> client, EventOptions options)
    : client_(std::move(client)), options_(std::move(options)) {}

EventWriter::~EventWriter() {
  client_->cancel(call_);
  client_->loop().cancel(timer_);
}

bool EventWriter::has_room(Room& room, Instant now) const {
  const double gained =
      static_cast<double>((now - room.at).count()) / static_cast<double>(kRefill.count());
  room.tokens = std::min<double>(kBurst, room.tokens + gained);
  room.at = now;
  if (room.tokens < 1) return false;
  room.tokens -= 1;
  return true;
}

void EventWriter::tell(EventWords words) {
  if (off()) return;
  const Instant now = client_->loop().now();
  const WallTime wall = net::WorldClock::wall_now();
  const std::string place = place_of(words.regarding);
  const std::string key = place + "\n" + words.reason + "\n" + words.action + "\n" + words.note;
  forget_old(now);
  auto [room, first] = rooms_.try_emplace(place);
  if (first) room->second.at = now;
  auto it = series_.find(key);
  if (it != series_.end()) {
    ++it->second.count;
    it->second.last = wall;
    it->second.touched = now;
    // Without room the count goes out with the next that has some.
    if (!it->second.queued && has_room(room->second, now)) queue(key);
    return send_next();
  }
  if (!has_room(room->second, now)) {
    ++room->second.left_out;
    return;
  }
  if (const auto left_out = std::exchange(room->second.left_out, 0); left_out > 0) {
    words.note += fmt::format(" ({} Events before this were left out)", left_out);
  }
  series_[key] = {.words = std::move(words), .first = wall, .last = wall, .touched = now};
  queue(key);
  send_next();
}

void EventWriter::queue(const std::string& key) {
  series_.at(key).queued = true;
  queue_.push_back(key);
  if (queue_.size() <= kMaxQueue) return;
  auto oldest = queue_.begin() + (sending_ ? 1 : 0);  // the first is on its way
  series_.erase(*oldest);
  queue_.erase(oldest);
}

/// What was quiet for long begins anew when it comes again.
void EventWriter::forget_old(Instant now) {
  if (series_.size() < kMaxSeries && rooms_.size() < kMaxSeries) {
    std::erase_if(series_, [&](const auto& entry) {
      return !entry.second.queued && now - entry.second.touched > kSeriesLasts;
    });
    return;
  }
  std::erase_if(series_, [](const auto& entry) { return !entry.second.queued; });
  std::erase_if(rooms_, [&](const auto& entry) { return now - entry.second.at > kSeriesLasts; });
}

json EventWriter::event_of(Series& series) {
  last_nanos_ = std::max(last_nanos_ + 1, series.first.unix_nanos());
  const ObjectReference& of = series.words.regarding;
  series.name = fmt::format("{}.{:x}", of.name, last_nanos_);
  json regarding = {
      {"apiVersion", of.api_version}, {"kind", of.kind}, {"name", of.name}, {"namespace", of.ns}};
  if (!of.uid.empty()) regarding["uid"] = of.uid;
  json event = {{"apiVersion", "events.k8s.io/v1"},
                {"kind", "Event"},
                {"metadata", {{"name", series.name}, {"namespace", events_of(of).ns}}},
                {"eventTime", format_micro_time(series.first)},
                {"reportingController", options_.controller},
                {"reportingInstance", cut(options_.instance, 128)},
                {"action", cut(series.words.action, 128)},
                {"reason", cut(series.words.reason, 128)},
                {"type", series.words.warning ? "Warning" : "Normal"},
                {"note", cut(series.words.note, kMaxNote)},
                {"regarding", std::move(regarding)}};
  if (series.count > 1) event["series"] = series_of(series.count, series.last);
  return event;
}

void EventWriter::send_next() {
  if (sending_ || timer_ != net::Loop::TimerId::kNone) return;
  while (!queue_.empty() && !series_.contains(queue_.front())) queue_.pop_front();  // dropped
  if (queue_.empty()) return;
  sending_ = true;
  const std::string key = queue_.front();
  Series& series = series_.at(key);
  const Resource events = events_of(series.words.regarding);
  ApiCall call = series.name.empty() ? create(events, event_of(series))
                                     : patch(events, series.name, PatchType::kMerge,
                                             {{"series", series_of(series.count, series.last)}});
  series.queued = false;  // what comes from here on is not in this call
  call_ = client_->call(std::move(call), [this, key](const ApiResult<json>& answer) {
    call_ = KubeClient::CallId::kNone;
    sending_ = false;
    answered(key, answer);
  });
}

void EventWriter::refused(const ApiError& error) {
  off_until_ = client_->loop().now() + options_.forbidden_rests;
  queue_.clear();
  series_.clear();
  if (std::exchange(refused_, error.message) == error.message) return;  // said
  net::log(net::Level::kWarn, "no Events are written for now", {{"error", error.message}});
}

void EventWriter::answered(const std::string& key, const ApiResult<json>& answer) {
  if (answer) {
    failures_ = 0;
    refused_.clear();
    queue_.pop_front();
    return send_next();
  }
  const ApiError& error = answer.error();
  auto series = series_.find(key);
  const bool patched = error.code == 404 && series != series_.end() && series->second.count > 1;
  if (error.code == 403 || error.code == 401) {
    return refused(error);
  }
  const bool again = error.no_answer() || error.code == 429 || error.code >= 500;
  if (again) {
    if (series != series_.end()) {
      series->second.queued = true;
      // Whether it was created nobody knows; another name is the safe way.
      if (series->second.count == 1) series->second.name.clear();
    }
    Duration wait = options_.first_wait;
    for (int i = 0; i < failures_ && wait < kLongestWait; ++i) wait *= 2;
    ++failures_;
    timer_ = client_->loop().after(std::min(wait, kLongestWait), [this] {
      timer_ = net::Loop::TimerId::kNone;
      send_next();
    });
    return;
  }
  queue_.pop_front();
  if (patched) {  // its time has run out on the server: a new one
    series->second.name.clear();
    if (!series->second.queued) queue(key);
  } else {
    net::log(net::Level::kWarn, "Event not written", {{"error", error.message}});
  }
  send_next();
}

}  // namespace tidegate::live::kube
