#pragma once
// StatusWriter: writes the status of Models, each when it has changed, and not too often.
//
//   StatusWriter writer(client);
//   writer.show({"serve", "m", uid}, text, stored, now);   // each second, changed or not
//
// Server-side apply onto /status as field manager `tidegate`: what others write there stays theirs.
// A change of what matters is written at once, then at most every rates.least; the queue and the
// TTFT alone every rates.numbers. At most kMaxInFlight writes at a time and rates.per_second of
// all Models together; those that wait are written in the order in which they changed, each as it
// is by then. What fails is tried again with the newest status, after rates.least, doubled up to
// kLongestWait: so after an API server was gone, the next one tells all. Needs no timer: show() and
// answers are the clock. Wall time. Rights: patch models/status. Thread-safety: the loop's thread.

#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "live/kube/client.h"

namespace tidegate::live {

struct ModelId {
  std::string ns, name, uid;
  std::string key() const { return ns + "/" + name; }
};

struct StatusRates {
  Duration least = seconds(3);  ///< between two writes of one Model
  Duration numbers = seconds(30);
  double per_second = 100;  ///< of all Models together, and as many at once
};

class StatusWriter {
 public:
  static constexpr Duration kLongestWait = seconds(60);
  static constexpr int kMaxInFlight = 8;

  explicit StatusWriter(std::shared_ptr<kube::KubeClient> client, StatusRates rates = {})
      : client_(std::move(client)), rates_(rates) {}

  /// `status`: JSON, as status_of() makes it. `stored` is the status the object had when it was
  /// first seen: its times are kept.
  void show(const ModelId& model, const std::string& status, const std::string& stored,
            Instant now);
  /// Whether show() would write a status that differs in its numbers alone.
  bool numbers_due(const std::string& key, Instant now) const;
  void forget(const std::string& key) { told_.erase(key); }
  void forget_all() { told_.clear(); }
  std::size_t writes() const { return writes_; }
  int in_flight() const { return in_flight_; }

 private:
  struct Told {
    std::string uid;
    std::string status;         ///< as the server has it, to our knowledge, without its times
    nlohmann::json conditions;  ///< with them
    std::string wanted;         ///< to be written when it is its turn; empty: nothing is
    Instant next, next_numbers;
    bool in_flight = false, queued = false;
    int failures = 0;
  };
  void write_next(Instant now);
  void write(const ModelId& model, Told& told, Instant now);
  void answered(const ModelId& model, const std::string& status, nlohmann::json conditions,
                const kube::ApiResult<nlohmann::json>& answer);

  std::shared_ptr<kube::KubeClient> client_;
  StatusRates rates_;
  std::map<std::string, Told> told_;
  std::deque<ModelId> queue_;  ///< whose turn comes
  double allowance_ = 0;       ///< writes left, as of `allowed_`
  Instant allowed_;
  int in_flight_ = 0;
  std::size_t writes_ = 0;
  std::string said_;            ///< the trouble logged last
  kube::Outages::Part outage_;  ///< that was logged
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live
