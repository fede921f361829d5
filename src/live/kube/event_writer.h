#pragma once
// EventWriter: Kubernetes Events (events.k8s.io/v1) about objects, for `kubectl describe` and
// `kubectl get events`.
//
//   EventWriter events(client, {.controller = "tidegate.dev/tidegate", .instance = pod});
//   events.tell({.regarding = model, .reason = "Forecast", .action = "ScaleUp", .note = "2 -> 5"});
//
// The same words about the same object within kSeriesLasts are one Event with a count (series). An
// object has kBurst Events at once, then one each kRefill; what is left out is counted in the note
// of the next. One call at a time, in order; without an answer it is tried again
// (first_wait, doubled, at most kLongestWait) while at most kMaxQueue wait, the oldest dropped
// first. Without the right to write Events it says so once in the log, drops what waits, and tries
// again with what comes forbidden_rests later: a server that has just started refuses for seconds
// what it allows (its RBAC cache is not filled), and rights are given while we run.
// Wall time. Rights: create and patch on events.events.k8s.io. Thread-safety: the loop's thread.
// Source: KEP-383.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "live/kube/client.h"

namespace tidegate::live::kube {

struct ObjectReference {
  std::string api_version, kind, ns, name, uid;
};

struct EventWords {
  ObjectReference regarding;
  bool warning = false;
  std::string reason;  ///< CamelCase token, at most 128 bytes
  std::string action;  ///< what was done about it, CamelCase
  std::string note;    ///< for people; cut to kMaxNote bytes
};

struct EventOptions {
  std::string controller;  ///< DOMAIN/NAME
  std::string instance;    ///< of this process: the pod
  Duration first_wait = seconds(1);
  Duration forbidden_rests = seconds(60);
};

class EventWriter {
 public:
  static constexpr std::size_t kMaxNote = 1'000;
  static constexpr std::size_t kMaxQueue =
      2'000;  ///< 1 MB: a thousand Models that start together have room
  static constexpr std::size_t kMaxSeries = 4'000;
  static constexpr int kBurst = 20;
  static constexpr Duration kRefill = seconds(10);
  static constexpr Duration kSeriesLasts = seconds(360);
  static constexpr Duration kLongestWait = seconds(60);

  EventWriter(std::shared_ptr<KubeClient> client, EventOptions options);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  void tell(EventWords words);
  bool off() const { return client_->loop().now() < off_until_; }  ///< forbidden a moment ago

 private:
  struct Series {
    EventWords words;
    std::string name;        ///< of the Event; empty: not created yet
    std::int64_t count = 1;  ///< so far
    WallTime first, last;
    Instant touched;
    bool queued = false;
  };
  struct Room {
    double tokens = kBurst;
    Instant at;
    std::int64_t left_out = 0;
  };
  bool has_room(Room& room, Instant now) const;
  void queue(const std::string& key);
  void forget_old(Instant now);
  void send_next();
  void refused(const ApiError& error);
  void answered(const std::string& key, const ApiResult<nlohmann::json>& answer);
  nlohmann::json event_of(Series& series);

  std::shared_ptr<KubeClient> client_;
  EventOptions options_;
  std::map<std::string, Series> series_;
  std::map<std::string, Room> rooms_;  ///< by object
  std::deque<std::string> queue_;      ///< keys of series_
  std::int64_t last_nanos_ = 0;        ///< names differ
  bool sending_ = false;
  Instant off_until_{};
  std::string refused_;  ///< the refusal that was said; empty: none since the last success
  int failures_ = 0;
  KubeClient::CallId call_ = KubeClient::CallId::kNone;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
};

}  // namespace tidegate::live::kube
