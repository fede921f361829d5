#pragma once
// LearnedMaps: what tide learned of each model (its days, how long its replicas take to start),
// carried from run to run and from leader to leader in a ConfigMap each.
//
//   LearnedMaps maps(client, identity, {.taught = ..., .learned = ...});
//   maps.lead(true);                  // what others left is read before anything is written
//   maps.look(places, loop.now());    // each second
//   maps.hand_over([] { ... });       // at a clean end, before the Lease is given back
//
// Only who leads writes: by server-side apply as `tidegate`, onto the version it has read, once a
// period a model, sooner where a start was measured (at most once per options.soon), and once at a
// hand-over; and only what has changed. A map that another
// process wrote is taught to the model once a term. One that is not ours by its label, or of
// another version, is told and left as it is; a corrupt one is told and written anew. The map of a
// Model is deleted with it (owner reference). While the API server is gone, or the right is
// missing, nothing else changes. Rights: configmaps get, create, patch. Wall time.
// Thread-safety: the loop's thread.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/control/events.h"
#include "live/kube/client.h"

namespace tidegate::live {

struct LearnedMapsOptions {
  Duration period = seconds(300);  ///< between writes of one model
  Duration soon = seconds(30);     ///< where a start was measured since: they are few, and dear
  Duration retry = seconds(60);    ///< after a failure
  Duration patience = seconds(3);  ///< of a hand-over
};

struct LearnedMapsHooks {
  /// What another process had learned.
  std::function<void(const std::string& model, const control::Taught& learned)> taught;
  /// What the model has learned so far; asked only when a write is due.
  std::function<control::Taught(const std::string& model)> learned;
};

class LearnedMaps {
 public:
  static constexpr int kMaxInFlight = 8;
  static constexpr const char* kVersion = "1";
  static constexpr const char* kManagedBy = "app.kubernetes.io/managed-by";

  struct Place {
    std::string model;      ///< as the run calls it
    std::string ns, owner;  ///< owner: the Model's name; empty: of a file
    std::string owner_uid;
    std::int64_t starts = 0;  ///< measured so far; another number says there are new ones
  };
  /// `tidegate-learned-` and the model's name, as far as a name may hold it.
  static std::string name_of(const Place& place);

  LearnedMaps(std::shared_ptr<kube::KubeClient> client, std::string identity,
              LearnedMapsHooks hooks, LearnedMapsOptions options = {});

  void lead(bool leading);
  /// All models there are; those that are not named any more are forgotten.
  void look(const std::vector<Place>& places, Instant now);
  /// Writes what has changed; `done` when all are answered, or after options.patience.
  void hand_over(std::function<void()> done);
  std::uint64_t writes() const { return writes_; }
  int in_flight() const { return in_flight_; }

 private:
  enum class Phase : std::uint8_t { kUnread, kRead, kLeft };  ///< kLeft: not ours to write
  struct Entry {
    Place place;
    Phase phase = Phase::kUnread;
    bool in_flight = false, taught = false;
    Instant next;                  ///< to read, or to write
    Instant soonest;               ///< to write where a start was measured
    std::int64_t starts_kept = 0;  ///< as of the last write
    std::string version;           ///< of the ConfigMap; empty: there is none
    std::string text;              ///< as it is there
    std::string told;              ///< trouble, said last
  };
  void go_on(Instant now);
  bool due(const Entry& entry, Instant now) const;
  void read(Entry& entry);
  void found(Entry& entry, const nlohmann::json& map);
  void write(Entry& entry);
  void failed(Entry& entry, const kube::ApiError& error);
  void tell(Entry& entry, const std::string& trouble);
  void call(Entry& entry, kube::ApiCall call,
            std::function<void(Entry&, const kube::ApiResult<nlohmann::json>&)> then);
  void step_hand_over();

  std::shared_ptr<kube::KubeClient> client_;
  std::string identity_;
  LearnedMapsHooks hooks_;
  LearnedMapsOptions options_;
  std::map<std::string, Entry> entries_;  ///< by model
  bool leading_ = true;
  int in_flight_ = 0;
  std::uint64_t writes_ = 0;
  kube::Outages::Part outage_;  ///< that was logged
  std::set<std::string> left_;  ///< of a hand-over: not written yet
  std::function<void()> handed_over_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live
