#include "live/store/journal.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>

#include "format/codec.h"
#include "live/store/lock_file.h"
#include "live/store/schema.h"
#include "live/store/sqlite.h"
#include "live/store/writer.h"

namespace tidegate::live {
namespace {

// Records are batched for up to 100 ms and instants noted each second of wall time: what was
// reached but not written when a process was killed lies within this, at any sane time scale.
constexpr Duration kResumeMargin = seconds(1);

class SqliteJournal final : public Journal {
 public:
  SqliteJournal(std::optional<LockFile> lock, Database db)
      : lock_(std::move(lock)), db_(std::move(db)) {}

  Result<void> begin(std::optional<Database> writer, const Options& options);

  void record(const std::string& model, const control::Decision& decision,
              std::int64_t repeats) override {
    push(DecisionJob{model, decision, repeats}, decision.at);
  }
  void outcome(const std::string& model, const OutcomeRow& row) override {
    push(OutcomeJob{model, row}, Instant());
  }
  void announce(const std::string& model, const control::Announce& announce,
                WallTime wall) override {
    push(AnnounceJob{model, announce, wall}, Instant());
  }
  void spec(std::uint64_t hash, const std::string& yaml) override {
    push(SpecJob{hash, yaml}, Instant());
  }
  Result<std::string> read_spec(std::uint64_t hash) override;
  Result<std::vector<DecisionRow>> decisions(const std::string& model, std::size_t limit,
                                             std::optional<WallTime> until) override;
  Result<std::vector<OutcomeRow>> outcomes(const std::string& model,
                                           std::uint64_t sequence) override;
  Result<std::vector<AnnounceRow>> announces(const std::string& model, std::size_t limit) override;

  Result<ReplicaId> next_replica_id() override;
  Result<void> intent(const ReplicaRecord& row) override;
  Result<void> started(ReplicaId id, int pid, std::uint64_t start_ticks) override;
  Result<void> state(ReplicaId id, control::ReplicaState state) override;
  Result<std::vector<ReplicaRecord>> replicas() override;

  Result<void> save_start(const std::string& model, const control::Start& start) override;
  void keep_start(const std::string& model, const control::Start& start) override;
  Result<control::Start> load_start(const std::string& model) override;
  Instant resume_instant() override { return resume_; }
  void reached(Instant now) override {
    if (writer_) writer_->reached(now);
  }
  void flush() override {
    if (writer_) writer_->flush();
  }
  std::int64_t dropped() const override { return writer_ ? writer_->dropped() : refused_; }
  std::string last_error() const override {
    return writer_ ? writer_->last_error() : std::string();
  }

 private:
  using Newest = std::shared_ptr<std::atomic<std::uint64_t>>;
  Newest newest_start(const std::string& model) {
    std::lock_guard lock(starts_mutex_);
    Newest& newest = newest_starts_[model];
    if (newest == nullptr) newest = std::make_shared<std::atomic<std::uint64_t>>(0);
    return newest;
  }
  void push(Job job, Instant at) {
    if (!writer_) {
      std::lock_guard gate(gate_);
      ++refused_;
      return;
    }
    writer_->reached(at);
    writer_->push(std::move(job));
  }
  Result<void> writable() const {
    if (writer_) return {};
    return fail("journal " + db_.path() + ": opened for reading only");
  }

  std::optional<LockFile> lock_;
  std::mutex
      gate_;  // one transaction at a time, here and in the writer; guards db_, next_id_, refused_
  Database db_;  // synchronous = FULL: what it commits is on disk
  std::uint64_t next_id_ = 1;
  std::int64_t refused_ = 0;
  std::mutex starts_mutex_;  // so that who keeps a start does not wait for a transaction
  std::map<std::string, Newest> newest_starts_;  // by model: counts what was saved or kept
  Instant resume_;
  std::unique_ptr<JournalWriter> writer_;  // none: read-only. Last: it uses gate_
};

Result<void> tune(Database& db, const char* synchronous, const Journal::Options& options) {
  std::int64_t log = wal_bytes(options.max_bytes);
  auto page = db.number("PRAGMA page_size");
  if (!page) return fail(page.error());
  std::string sql =
      std::string("PRAGMA synchronous = ") + synchronous +
      "; PRAGMA journal_size_limit = " + std::to_string(log) +
      "; PRAGMA wal_autocheckpoint = " + std::to_string(std::max<std::int64_t>(log / 4 / *page, 1));
  if (options.max_pages > 0)
    sql += "; PRAGMA max_page_count = " + std::to_string(options.max_pages);
  return db.script(sql);
}

Result<void> SqliteJournal::begin(std::optional<Database> writer, const Options& options) {
  auto instant = db_.number("SELECT value FROM meta WHERE key = 'instant'");
  if (!instant) return fail(instant.error());
  auto id = db_.number("SELECT value FROM meta WHERE key = 'replica'");
  if (!id) return fail(id.error());
  resume_ = *instant == 0 ? Instant() : Instant::from_nanos(*instant) + kResumeMargin;
  next_id_ = static_cast<std::uint64_t>(*id) + 1;
  if (!writer) return {};
  if (auto tuned = tune(db_, "FULL", options); !tuned) return tuned;
  if (auto tuned = tune(*writer, "NORMAL", options); !tuned) return tuned;
  if (auto counted = db_.script("UPDATE meta SET value = value + 1 WHERE key = 'run'"); !counted) {
    return counted;
  }
  auto run = db_.number("SELECT value FROM meta WHERE key = 'run'");
  if (!run) return fail(run.error());
  writer_ = std::make_unique<JournalWriter>(std::move(*writer), gate_, options, *run);
  return {};
}

Result<std::string> SqliteJournal::read_spec(std::uint64_t hash) {
  flush();
  std::lock_guard gate(gate_);
  auto rows = db_.query("SELECT yaml FROM specs WHERE hash = ?", static_cast<std::int64_t>(hash));
  if (!rows) return fail(rows.error());
  auto row = rows->next();
  if (!row) return fail(row.error());
  if (!*row) return fail("journal " + db_.path() + ": no spec with hash " + std::to_string(hash));
  return rows->bytes(0);
}

Result<std::vector<DecisionRow>> SqliteJournal::decisions(const std::string& model,
                                                          std::size_t limit,
                                                          std::optional<WallTime> until) {
  flush();
  std::lock_guard gate(gate_);
  std::int64_t latest = until ? until->unix_nanos() : std::numeric_limits<std::int64_t>::max();
  auto rows = db_.query(
      "SELECT repeats, body FROM decisions WHERE model = ? AND wall <= ? ORDER BY id DESC LIMIT ?",
      model, latest, static_cast<std::int64_t>(limit));
  if (!rows) return fail(rows.error());
  std::vector<DecisionRow> out;
  while (true) {
    auto row = rows->next();
    if (!row) return fail(row.error());
    if (!*row) return out;
    auto decision = format::from_msgpack<control::Decision>(rows->bytes(1));
    if (!decision) return fail(decision.error().within("journal " + db_.path() + ", a decision"));
    DecisionRow& added = out.emplace_back();
    added.repeats = rows->integer(0);
    added.decision = std::move(*decision);
    added.sequence = added.decision.sequence;
    added.at = added.decision.at;
    added.wall = added.decision.wall;
  }
}

Result<std::vector<OutcomeRow>> SqliteJournal::outcomes(const std::string& model,
                                                        std::uint64_t sequence) {
  flush();
  std::lock_guard gate(gate_);
  auto rows = db_.query(
      "SELECT sequence, variant, replicas, ok, detail, wall FROM outcomes "
      "WHERE model = ? AND sequence = ? ORDER BY id",
      model, static_cast<std::int64_t>(sequence));
  if (!rows) return fail(rows.error());
  std::vector<OutcomeRow> out;
  while (true) {
    auto row = rows->next();
    if (!row) return fail(row.error());
    if (!*row) return out;
    OutcomeRow& added = out.emplace_back();
    added.sequence = static_cast<std::uint64_t>(rows->integer(0));
    added.variant = rows->bytes(1);
    added.replicas = rows->integer(2);
    added.ok = rows->integer(3) != 0;
    added.detail = rows->bytes(4);
    added.wall = WallTime::from_unix_nanos(rows->integer(5));
  }
}

Result<std::vector<AnnounceRow>> SqliteJournal::announces(const std::string& model,
                                                          std::size_t limit) {
  flush();
  std::lock_guard gate(gate_);
  auto rows = db_.query("SELECT wall, body FROM announces WHERE model = ? ORDER BY id DESC LIMIT ?",
                        model, static_cast<std::int64_t>(limit));
  if (!rows) return fail(rows.error());
  std::vector<AnnounceRow> out;
  while (true) {
    auto row = rows->next();
    if (!row) return fail(row.error());
    if (!*row) return out;
    auto action = format::from_msgpack<control::Action>(rows->bytes(1));
    if (!action) return fail(action.error().within("journal " + db_.path() + ", an announcement"));
    if (auto* announce = std::get_if<control::Announce>(&*action)) {
      out.push_back({WallTime::from_unix_nanos(rows->integer(0)), std::move(*announce)});
    }
  }
}

Result<ReplicaId> SqliteJournal::next_replica_id() {
  if (auto can = writable(); !can) return fail(can.error());
  std::uint64_t id = 0;
  {
    std::lock_guard gate(gate_);
    id = next_id_++;
  }
  // Durable with intent(), or before any decision that names it: until one of these it means
  // nothing.
  writer_->push(ReplicaIdJob{id});
  return ReplicaId(id);
}

Result<void> SqliteJournal::intent(const ReplicaRecord& row) {
  if (auto can = writable(); !can) return can;
  writer_->reached(row.ordered_at);
  std::lock_guard gate(gate_);
  Transaction transaction(db_);
  if (!transaction.begun()) return transaction.begun();
  auto id = static_cast<std::int64_t>(row.id.value());
  auto kept = db_.execute(
      "INSERT OR REPLACE INTO replicas(id, model, variant, port, pid, start_ticks, command_hash, "
      "devices, time_scale_micro, state, ordered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      id, row.model, row.variant, std::int64_t{row.port}, std::int64_t{row.pid},
      static_cast<std::int64_t>(row.start_ticks), static_cast<std::int64_t>(row.command_hash),
      row.devices, row.time_scale_micro, row.state, row.ordered_at.nanos());
  if (!kept) return kept;
  kept = db_.execute("UPDATE meta SET value = max(value, ?) WHERE key = 'replica'", id);
  if (!kept) return kept;
  kept = db_.execute("UPDATE meta SET value = max(value, ?) WHERE key = 'instant'",
                     row.ordered_at.nanos());
  if (!kept) return kept;
  return transaction.commit();
}

Result<void> SqliteJournal::started(ReplicaId id, int pid, std::uint64_t start_ticks) {
  if (auto can = writable(); !can) return can;
  std::lock_guard gate(gate_);
  return db_.execute("UPDATE replicas SET pid = ?, start_ticks = ?, state = ? WHERE id = ?",
                     std::int64_t{pid}, static_cast<std::int64_t>(start_ticks),
                     token(control::ReplicaState::kStarting),
                     static_cast<std::int64_t>(id.value()));
}

Result<void> SqliteJournal::state(ReplicaId id, control::ReplicaState state) {
  if (auto can = writable(); !can) return can;
  std::lock_guard gate(gate_);
  auto key = static_cast<std::int64_t>(id.value());
  if (state == control::ReplicaState::kGone) {
    return db_.execute("DELETE FROM replicas WHERE id = ?", key);
  }
  return db_.execute("UPDATE replicas SET state = ? WHERE id = ?", token(state), key);
}

Result<std::vector<ReplicaRecord>> SqliteJournal::replicas() {
  std::lock_guard gate(gate_);
  auto rows = db_.query(
      "SELECT id, model, variant, port, pid, start_ticks, command_hash, devices, time_scale_micro, "
      "state, ordered_at FROM replicas ORDER BY id");
  if (!rows) return fail(rows.error());
  std::vector<ReplicaRecord> out;
  while (true) {
    auto row = rows->next();
    if (!row) return fail(row.error());
    if (!*row) return out;
    ReplicaRecord& added = out.emplace_back();
    added.id = ReplicaId(static_cast<std::uint64_t>(rows->integer(0)));
    added.model = rows->bytes(1);
    added.variant = rows->bytes(2);
    added.port = static_cast<std::uint16_t>(rows->integer(3));
    added.pid = static_cast<int>(rows->integer(4));
    added.start_ticks = static_cast<std::uint64_t>(rows->integer(5));
    added.command_hash = static_cast<std::uint64_t>(rows->integer(6));
    added.devices = rows->bytes(7);
    added.time_scale_micro = rows->integer(8);
    added.state = rows->bytes(9);
    added.ordered_at = Instant::from_nanos(rows->integer(10));
  }
}

Result<void> SqliteJournal::save_start(const std::string& model, const control::Start& start) {
  if (auto can = writable(); !can) return can;
  std::string body = format::to_msgpack(start);
  std::lock_guard gate(gate_);
  ++*newest_start(model);
  return db_.execute("INSERT OR REPLACE INTO starts(model, body) VALUES (?, ?)", model, Blob{body});
}

void SqliteJournal::keep_start(const std::string& model, const control::Start& start) {
  StartJob job{model, start, 0, nullptr};
  Newest newest = newest_start(model);
  job.number = ++*newest;
  job.newest = std::move(newest);
  push(std::move(job), Instant());
}

Result<control::Start> SqliteJournal::load_start(const std::string& model) {
  flush();
  std::lock_guard gate(gate_);
  auto rows = db_.query("SELECT body FROM starts WHERE model = ?", model);
  if (!rows) return fail(rows.error());
  auto row = rows->next();
  if (!row) return fail(row.error());
  if (!*row) return control::Start{};
  return format::from_msgpack<control::Start>(rows->bytes(0));
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  return open(path, Options());
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path, Options options) {
  auto access = options.read_only ? Database::Access::kReadOnly : Database::Access::kReadWrite;
  std::optional<LockFile> lock;
  if (!options.read_only) {
    std::error_code error;
    if (auto parent = std::filesystem::path(path).parent_path(); !parent.empty()) {
      std::filesystem::create_directories(parent, error);
      if (error)
        return fail("journal " + path + ": cannot create its directory: " + error.message());
    }
    auto taken = LockFile::take(path + ".lock");
    if (!taken) return fail(taken.error().within("journal " + path));
    lock.emplace(std::move(*taken));
  }
  auto db = Database::open(path, access);
  if (!db) return fail(db.error());
  if (auto made = open_schema(*db, access); !made) return fail(made.error());
  std::optional<Database> writer;
  if (!options.read_only) {
    auto second = Database::open(path, access);
    if (!second) return fail(second.error());
    writer.emplace(std::move(*second));
  }
  auto journal = std::make_unique<SqliteJournal>(std::move(lock), std::move(*db));
  if (auto begun = journal->begin(std::move(writer), options); !begun) return fail(begun.error());
  return journal;
}

}  // namespace tidegate::live
