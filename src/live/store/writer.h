#pragma once
// JournalWriter: the journal's own thread. Takes records from a bounded queue and commits them in
// batches; keeps the file under its bound. A slow or full disk costs records, which are counted,
// never the caller's time.
//
// Thread-safety: every public member may be called from any thread.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "core/control/controller.h"
#include "live/store/journal.h"
#include "live/store/sqlite.h"

namespace tidegate::live {

struct DecisionJob {
  std::string model;
  control::Decision decision;
  std::int64_t repeats = 0;
};
struct OutcomeJob {
  std::string model;
  OutcomeRow row;
};
struct AnnounceJob {
  std::string model;
  control::Announce announce;
  WallTime wall;
};
struct SpecJob {
  std::uint64_t hash = 0;
  std::string yaml;
};
/// The highest replica id given out. Queued before any decision that can name it.
struct ReplicaIdJob {
  std::uint64_t id = 0;
};
/// Passed over where `*newest` has moved on: a newer start is written or queued.
struct StartJob {
  std::string model;
  control::Start start;
  std::uint64_t number = 0;
  std::shared_ptr<const std::atomic<std::uint64_t>> newest;
};
using Job = std::variant<DecisionJob, OutcomeJob, AnnounceJob, SpecJob, ReplicaIdJob, StartJob>;

class JournalWriter {
 public:
  /// `gate` is held for each transaction: SQLite has one writer at a time, and waiting on a mutex
  /// is cheaper and fairer than its busy loop. `run` numbers the openings of the file.
  JournalWriter(Database db, std::mutex& gate, Journal::Options options, std::int64_t run);
  ~JournalWriter();  ///< writes what is queued

  void push(Job job);
  /// Notes that the world has reached `at`; written within a second.
  void reached(Instant at);
  void flush();
  std::size_t pending() const;  ///< records that wait for the writer
  std::int64_t dropped() const;
  std::string last_error() const;

 private:
  void run();
  void write(std::vector<Job>& batch, Instant reached);
  Result<void> commit(std::vector<Job>& batch, Instant reached);
  Result<void> write_one(const DecisionJob& job);
  Result<void> write_one(const OutcomeJob& job);
  Result<void> write_one(const AnnounceJob& job);
  Result<void> write_one(const SpecJob& job);
  Result<void> write_one(const ReplicaIdJob& job);
  Result<void> write_one(const StartJob& job);
  Result<void> shrink();

  Database db_;
  std::mutex& gate_;
  const Journal::Options options_;
  const std::int64_t run_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_, written_changed_;
  std::deque<Job> queue_;
  std::uint64_t pushed_ = 0, written_ = 0, flush_to_ = 0;
  Instant reached_, reached_written_;
  std::int64_t dropped_ = 0;
  std::string last_error_;
  bool stop_ = false;
  std::thread thread_;  // last: starts when the rest is there
};

/// Bytes of the write-ahead log that the bound keeps free for it.
std::int64_t wal_bytes(std::int64_t max_bytes);

}  // namespace tidegate::live
