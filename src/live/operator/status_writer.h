#pragma once
// StatusWriter: writes the status of Models, each when it has changed, and not too often.
//
//   StatusWriter writer(client);
//   writer.show({"serve", "m", uid}, status);     // each second, changed or not
//
// Server-side apply onto /status as field manager `tidegate`: what others write there stays theirs.
// A change of what matters is written at once, then at most every rates.least; the queue and the
// TTFT alone every rates.numbers. At most kMaxInFlight writes at a time. What fails is tried again
// with the newest status, after rates.least, doubled up to kLongestWait: so after an API server
// was gone, the next one tells all. Needs no timer: show() is the clock. Wall time. Rights: patch
// models/status. Thread-safety: the loop's thread.

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
};

class StatusWriter {
 public:
  static constexpr Duration kLongestWait = seconds(60);
  static constexpr int kMaxInFlight = 8;

  explicit StatusWriter(std::shared_ptr<kube::KubeClient> client, StatusRates rates = {})
      : client_(std::move(client)), rates_(rates) {}

  /// `stored` is the status the object had when it was first seen: its times are kept.
  void show(const ModelId& model, const nlohmann::json& status, const std::string& stored,
            Instant now);
  void forget(const std::string& key) { told_.erase(key); }
  std::size_t writes() const { return writes_; }

 private:
  struct Told {
    std::string uid;
    nlohmann::json status;  ///< as the server has it, to our knowledge
    Instant next, next_numbers;
    bool in_flight = false;
    int failures = 0;
  };
  void write(const ModelId& model, Told& told, nlohmann::json status, Instant now);
  void answered(const ModelId& model, nlohmann::json status,
                const kube::ApiResult<nlohmann::json>& answer);

  std::shared_ptr<kube::KubeClient> client_;
  StatusRates rates_;
  std::map<std::string, Told> told_;
  int in_flight_ = 0;
  std::size_t writes_ = 0;
  std::string said_;  ///< the trouble logged last
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live
