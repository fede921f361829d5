#pragma once
// Journal: SQLite (WAL) with its own writer thread. What decisions saw and did, and which processes
// are ours.
//
//   auto journal = Journal::open("./.tidegate/journal.db").value();
//   journal->record(model, decision, repeats);         // asynchronous, bounded queue
//   journal->intent(replica_row);          // before each fork: durable before it returns
//
// Bounded: at most Options::max_bytes on disk; the oldest decisions go first, replica rows never.
// Records are MessagePack (format/codec.h). `Instant` goes on after a restart: resume_instant().
// Thread-safety: every member may be called from any thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/control/controller.h"

namespace tidegate::live {

/// A process we start or started.
struct ReplicaRecord {
  ReplicaId id;
  std::string model, variant;
  std::uint16_t port = 0;
  int pid = 0;  ///< 0: intent only, not forked yet (or orphaned before it was written)
  std::uint64_t start_ticks = 0;   ///< /proc/PID/stat field 22: a pid used again is not ours
  std::uint64_t command_hash = 0;  ///< what it was started with
  std::string devices;             ///< leased, comma-joined
  std::int64_t time_scale_micro = 1'000'000;
  std::string state;  ///< token of control::ReplicaState
  Instant ordered_at;
};

struct DecisionRow {
  std::uint64_t sequence = 0;
  Instant at;
  WallTime wall;
  std::int64_t repeats = 0;
  control::Decision decision;
};

/// How an Apply went, after its decision was written.
struct OutcomeRow {
  std::uint64_t sequence = 0;
  std::string variant;
  std::int64_t replicas = 0;
  bool ok = true;
  std::string detail;
  WallTime wall;
};

/// Something people were told.
struct AnnounceRow {
  WallTime wall;
  control::Announce announce;
};

class Journal {
 public:
  struct Options {
    std::int64_t max_bytes = 256LL << 20;
    std::size_t max_pending =
        10'000;  ///< records waiting for the writer; over it the oldest are dropped and counted
    /// Only read, beside the process that owns the file (`explain`): records are refused and
    /// counted.
    bool read_only = false;
    std::int64_t max_pages = 0;  ///< for tests, > 0: a disk with room for this many pages
  };
  /// Errors name the file and the fix: in use by another process (with its pid), damaged, of a
  /// newer schema.
  static Result<std::unique_ptr<Journal>> open(const std::string& path, Options options);
  static Result<std::unique_ptr<Journal>> open(const std::string& path);
  virtual ~Journal() = default;

  // -- decisions --
  virtual void record(const std::string& model, const control::Decision& decision,
                      std::int64_t repeats) = 0;
  virtual void outcome(const std::string& model, const OutcomeRow& row) = 0;
  virtual void announce(const std::string& model, const control::Announce& announce,
                        WallTime wall) = 0;
  /// Stores a spec document once, by hash.
  virtual void spec(std::uint64_t hash, const std::string& yaml) = 0;
  virtual Result<std::string> read_spec(std::uint64_t hash) = 0;
  /// Newest first, at or before `until` where given.
  virtual Result<std::vector<DecisionRow>> decisions(const std::string& model, std::size_t limit,
                                                     std::optional<WallTime> until) = 0;
  virtual Result<std::vector<OutcomeRow>> outcomes(const std::string& model,
                                                   std::uint64_t sequence) = 0;
  /// Newest first.
  virtual Result<std::vector<AnnounceRow>> announces(const std::string& /*model*/,
                                                     std::size_t /*limit*/) {
    return std::vector<AnnounceRow>();
  }

  // -- processes: durable when the call returns --
  /// Never given out again once an intent or a decision that names it is written.
  virtual Result<ReplicaId> next_replica_id() = 0;
  virtual Result<void> intent(const ReplicaRecord& row) = 0;  ///< before fork
  virtual Result<void> started(ReplicaId id, int pid, std::uint64_t start_ticks) = 0;
  virtual Result<void> state(ReplicaId id,
                             control::ReplicaState state) = 0;  ///< kGone deletes the row
  virtual Result<std::vector<ReplicaRecord>> replicas() = 0;

  // -- what a restart needs --
  virtual Result<void> save_start(const std::string& model, const control::Start& start) = 0;
  /// The same without the wait: queued as records are, and may be lost with them. Never overtakes a
  /// later save_start().
  virtual void keep_start(const std::string& model, const control::Start& start) = 0;
  virtual Result<control::Start> load_start(const std::string& model) = 0;  ///< defaults if none
  virtual Instant resume_instant() = 0;  ///< later than every instant written before
  /// The world is at `now` though nothing was recorded: resume_instant() of the next run is later.
  /// Cheap.
  virtual void reached(Instant /*now*/) {}
  virtual void flush() = 0;  ///< returns when all that was queued is written
  virtual std::int64_t dropped() const = 0;
  /// Why records were dropped last; empty if never.
  virtual std::string last_error() const { return {}; }
};

}  // namespace tidegate::live
