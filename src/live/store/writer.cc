#include "live/store/writer.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "format/codec.h"

namespace tidegate::live {
namespace {

constexpr std::size_t kBatchRecords = 100;
constexpr std::chrono::milliseconds kBatchPeriod(100);
constexpr std::chrono::seconds kInstantPeriod(1);
constexpr int kMaxShrinkRounds = 100;  // each removes a tenth: 100 leave 0.003 %

}  // namespace

std::int64_t wal_bytes(std::int64_t max_bytes) {
  return std::min<std::int64_t>(max_bytes / 4, 4LL << 20);
}

JournalWriter::JournalWriter(Database db, std::mutex& gate, Journal::Options options,
                             std::int64_t run)
    : db_(std::move(db)), gate_(gate), options_(options), run_(run) {
  // Signals are the main thread's business.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { this->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

JournalWriter::~JournalWriter() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void JournalWriter::push(Job job) {
  std::lock_guard lock(mutex_);
  if (queue_.size() >= std::max<std::size_t>(options_.max_pending, 1)) {
    queue_.pop_front();
    ++dropped_;
    ++written_;  // done with, as far as flush() is concerned
  }
  queue_.push_back(std::move(job));
  ++pushed_;
  if (queue_.size() == 1 || queue_.size() == kBatchRecords) wake_.notify_all();
}

void JournalWriter::reached(Instant at) {
  std::lock_guard lock(mutex_);
  reached_ = std::max(reached_, at);
}

void JournalWriter::flush() {
  std::unique_lock lock(mutex_);
  std::uint64_t target = pushed_;
  Instant instant = reached_;
  flush_to_ = std::max(flush_to_, target + 1);
  wake_.notify_all();
  written_changed_.wait(lock, [&] { return written_ >= target && reached_written_ >= instant; });
}

std::size_t JournalWriter::pending() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

std::int64_t JournalWriter::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

std::string JournalWriter::last_error() const {
  std::lock_guard lock(mutex_);
  return last_error_;
}

void JournalWriter::run() {
  std::vector<Job> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    auto flushing = [&] { return stop_ || flush_to_ > written_; };
    wake_.wait_for(lock, kInstantPeriod, [&] { return flushing() || !queue_.empty(); });
    // One commit for what comes close together.
    if (!queue_.empty()) {
      wake_.wait_for(lock, kBatchPeriod,
                     [&] { return flushing() || queue_.size() >= kBatchRecords; });
    }
    batch.clear();
    while (!queue_.empty() && batch.size() < kBatchRecords) {
      batch.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    Instant reached = reached_;
    if (!batch.empty() || reached > reached_written_) {
      lock.unlock();
      write(batch, reached);
      lock.lock();
    }
    written_ += batch.size();
    reached_written_ = reached;
    if (queue_.empty()) flush_to_ = std::min(flush_to_, written_);
    written_changed_.notify_all();
    if (stop_ && queue_.empty()) return;
  }
}

void JournalWriter::write(std::vector<Job>& batch, Instant reached) {
  auto written = commit(batch, reached);
  if (written) {
    written = shrink();
    if (written) return;
    batch.clear();  // it is written: only the shrinking failed
  }
  std::lock_guard lock(mutex_);
  dropped_ += static_cast<std::int64_t>(batch.size());
  last_error_ = written.error().message;
}

Result<void> JournalWriter::commit(std::vector<Job>& batch, Instant reached) {
  std::lock_guard gate(gate_);
  Transaction transaction(db_);
  if (!transaction.begun()) return transaction.begun();
  for (const Job& job : batch) {
    auto written = std::visit([&](const auto& it) { return write_one(it); }, job);
    if (!written) return written;
  }
  if (auto kept = db_.execute("UPDATE meta SET value = max(value, ?) WHERE key = 'instant'",
                              reached.nanos());
      !kept) {
    return kept;
  }
  return transaction.commit();
}

Result<void> JournalWriter::write_one(const DecisionJob& job) {
  std::string body = format::to_msgpack(job.decision);
  return db_.execute(
      "INSERT INTO decisions(model, wall, repeats, spec, body) VALUES (?, ?, ?, ?, ?)", job.model,
      job.decision.wall.unix_nanos(), job.repeats,
      static_cast<std::int64_t>(job.decision.spec_hash), Blob{body});
}

Result<void> JournalWriter::write_one(const OutcomeJob& job) {
  return db_.execute(
      "INSERT INTO outcomes(model, sequence, variant, replicas, ok, detail, wall) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      job.model, static_cast<std::int64_t>(job.row.sequence), job.row.variant, job.row.replicas,
      std::int64_t{job.row.ok}, job.row.detail, job.row.wall.unix_nanos());
}

Result<void> JournalWriter::write_one(const AnnounceJob& job) {
  std::string body = format::to_msgpack(control::Action(job.announce));
  return db_.execute("INSERT INTO announces(model, wall, body) VALUES (?, ?, ?)", job.model,
                     job.wall.unix_nanos(), Blob{body});
}

Result<void> JournalWriter::write_one(const SpecJob& job) {
  return db_.execute(
      "INSERT INTO specs(hash, run, yaml) VALUES (?, ?, ?) "
      "ON CONFLICT(hash) DO UPDATE SET run = excluded.run",
      static_cast<std::int64_t>(job.hash), run_, job.yaml);
}

Result<void> JournalWriter::write_one(const ReplicaIdJob& job) {
  return db_.execute("UPDATE meta SET value = max(value, ?) WHERE key = 'replica'",
                     static_cast<std::int64_t>(job.id));
}

Result<void> JournalWriter::write_one(const StartJob& job) {
  if (job.number != job.newest->load()) return {};
  std::string body = format::to_msgpack(job.start);
  return db_.execute("INSERT OR REPLACE INTO starts(model, body) VALUES (?, ?)", job.model,
                     Blob{body});
}

Result<void> JournalWriter::shrink() {
  std::lock_guard gate(gate_);
  auto page = db_.number("PRAGMA page_size");
  auto pages = db_.number("PRAGMA page_count");
  if (!page) return fail(page.error());
  if (!pages) return fail(pages.error());
  std::int64_t limit = (options_.max_bytes - wal_bytes(options_.max_bytes)) / *page;
  if (*pages <= limit) return {};
  // Down to 90 % at once, so that this is rare. What the current run loaded stays: a spec may be in
  // force before the first decision that names it.
  for (int round = 0; round < kMaxShrinkRounds; ++round) {
    auto free = db_.number("PRAGMA freelist_count");
    if (!free) return fail(free.error());
    if (*pages - *free <= limit * 9 / 10) break;
    std::string sql = "BEGIN IMMEDIATE;";
    for (const char* table : {"decisions", "outcomes", "announces"}) {
      std::string name(table);
      sql += "DELETE FROM " + name +
             " WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 10 FROM " + name + ");";
    }
    sql += "DELETE FROM specs WHERE run < " + std::to_string(run_) +
           " AND hash NOT IN (SELECT spec FROM decisions); COMMIT";
    if (auto done = db_.script(sql); !done) {
      (void)db_.script("ROLLBACK");
      return done;
    }
  }
  // The file becomes smaller when the log is folded into it.
  return db_.script("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)");
}

}  // namespace tidegate::live
