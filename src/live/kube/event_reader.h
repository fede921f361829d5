#pragma once
// EventReader: the Events about one object, asked for once, few at a time.
//
//   reader.read(client, "serve", pod_uid, [](const ApiResult<nlohmann::json>& list) { ... });
//
// A server keeps Events neither in memory nor indexed: each such list has it read all that the
// namespace has. So one list is asked for at a time, of all servers together, with kPause between
// two; kMaxWaiting may wait, and more are not taken. They are never watched. Without the right to
// list them that is said once in the log, and nothing is asked for kRefusedRests. A list is at most
// kMostEvents long. `done` is told at most once, never from inside, not after the reader's death,
// and not where it waited behind a refusal. Wall time. Rights: list on events.events.k8s.io.
// Thread-safety: the loop's thread. Source: events.k8s.io/v1; its field selectors are those of
// pkg/apis/events/v1/conversion.go.

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "live/kube/client.h"

namespace tidegate::live::kube {

class EventReader {
 public:
  static constexpr std::size_t kMaxWaiting = 64;
  static constexpr int kMostEvents = 200;
  static constexpr Duration kPause = millis(200);
  static constexpr Duration kRefusedRests = seconds(600);
  using Done = std::function<void(const ApiResult<nlohmann::json>& list)>;

  explicit EventReader(net::Loop& loop, Duration pause = kPause) : loop_(loop), pause_(pause) {}
  ~EventReader() { loop_.cancel(timer_); }
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  /// False: too many wait, or Events may not be read; `done` is never told.
  bool read(const std::shared_ptr<KubeClient>& client, const std::string& ns,
            const std::string& uid, Done done);

 private:
  struct Wish {
    std::shared_ptr<KubeClient> client;
    std::string ns, uid;
    Done done;
  };
  void next();
  void answered(const Wish& wish, const ApiResult<nlohmann::json>& list);

  net::Loop& loop_;
  Duration pause_;
  std::deque<Wish> waiting_;
  bool asking_ = false;  ///< or pausing
  Instant refused_until_{};
  bool refusal_said_ = false;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::kube
