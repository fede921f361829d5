#include "live/store/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "format/codec.h"
#include "live/store/sqlite.h"
#include "live/store/writer.h"

namespace tidegate::live {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A directory of its own for each test, gone with it.
class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "journal-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/journal.db";
  }
  ~JournalTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<Journal> open(Journal::Options options = {}) {
    auto journal = Journal::open(path_, options);
    EXPECT_TRUE(journal) << journal.error().message;
    return journal ? std::move(*journal) : nullptr;
  }
  std::string refusal(Journal::Options options = {}) {
    auto journal = Journal::open(path_, options);
    return journal ? "opened" : journal.error().message;
  }
  std::int64_t bytes_on_disk() const {
    std::int64_t sum = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      sum += static_cast<std::int64_t>(entry.file_size());
    }
    return sum;
  }
  /// Runs `body` in a child that dies without any clean-up, as if killed.
  template <class F>
  void in_killed_child(F body) {
    pid_t child = ::fork();
    if (child == 0) {
      body();
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }

  std::string directory_, path_;
};

control::Decision decision(std::uint64_t sequence, std::size_t padding_bytes = 0) {
  control::Decision d;
  d.sequence = sequence;
  d.at = Instant::from_nanos(static_cast<std::int64_t>(sequence) * 1'000'000'000);
  d.wall = WallTime::from_unix_nanos(1'700'000'000'000'000'000) +
           seconds(static_cast<std::int64_t>(sequence));
  d.spec_hash = 0xfedcba9876543210ULL;  // above the range of a signed column
  d.reasons.push_back({ReasonCode::kConcurrency,
                       "h100" + std::string(padding_bytes, 'x'),
                       1,
                       3,
                       {{"in_flight_requests", 0.1 + static_cast<double>(sequence)}}});
  d.plan.variants.push_back({"h100", Replicas(3), {}});
  return d;
}

ReplicaRecord replica(std::uint64_t id) {
  ReplicaRecord row;
  row.id = ReplicaId(id);
  row.model = "m";
  row.variant = "h100";
  row.port = 8000;
  row.command_hash = 0xffffffffffffff01ULL;
  row.devices = "0,1";
  row.time_scale_micro = 10'000'000;
  row.state = "ordered";
  row.ordered_at = Instant::from_nanos(77);
  return row;
}

TEST_F(JournalTest, a_decision_comes_back_bit_for_bit_and_newest_first) {
  auto journal = open();
  for (std::uint64_t i = 1; i <= 250; ++i)
    journal->record("m", decision(i), static_cast<std::int64_t>(i % 7));
  journal->record("other", decision(1), 0);
  auto rows = journal->decisions("m", 2, std::nullopt).value();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].sequence, 250u);
  EXPECT_EQ(rows[0].repeats, 250 % 7);
  EXPECT_EQ(rows[1].sequence, 249u);
  EXPECT_EQ(format::to_msgpack(rows[0].decision), format::to_msgpack(decision(250)));
  EXPECT_EQ(journal->decisions("m", 1'000, std::nullopt).value().size(), 250u);
  EXPECT_EQ(journal->dropped(), 0);
}

TEST_F(JournalTest, until_gives_the_last_decision_at_or_before_that_time) {
  auto journal = open();
  for (std::uint64_t i = 1; i <= 10; ++i) journal->record("m", decision(i), 0);
  EXPECT_EQ(journal->decisions("m", 1, decision(4).wall).value().at(0).sequence, 4u);
  EXPECT_EQ(journal->decisions("m", 1, decision(4).wall + millis(999)).value().at(0).sequence, 4u);
  EXPECT_TRUE(journal->decisions("m", 1, decision(0).wall).value().empty());
}

TEST_F(JournalTest, outcomes_announcements_specs_and_starts_survive_a_restart) {
  control::Start start;
  start.paused = 1;
  start.timed_until = Instant::from_nanos(5);
  start.targets = {{"h100", Replicas(4)}};
  start.next_sequence = 9;
  {
    auto journal = open();
    journal->outcome("m", {7, "h100", 3, false, "no free device", WallTime::from_unix_nanos(12)});
    journal->announce("m", {{ReasonCode::kPaused, "", 3, 3, {}}, "by hand"},
                      WallTime::from_unix_nanos(13));
    journal->spec(0xfedcba9876543210ULL, "kind: Model");
    journal->spec(0xfedcba9876543210ULL, "kind: Model");
    ASSERT_TRUE(journal->save_start("m", start));
  }
  auto journal = open();
  auto outcomes = journal->outcomes("m", 7).value();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].variant, "h100");
  EXPECT_EQ(outcomes[0].replicas, 3);
  EXPECT_FALSE(outcomes[0].ok);
  EXPECT_EQ(outcomes[0].detail, "no free device");
  EXPECT_EQ(outcomes[0].wall.unix_nanos(), 12);
  EXPECT_TRUE(journal->outcomes("m", 8).value().empty());
  auto announces = journal->announces("m", 5).value();
  ASSERT_EQ(announces.size(), 1u);
  EXPECT_EQ(announces[0].announce.detail, "by hand");
  EXPECT_EQ(announces[0].announce.reason.code, ReasonCode::kPaused);
  EXPECT_EQ(journal->read_spec(0xfedcba9876543210ULL).value(), "kind: Model");
  EXPECT_THAT(journal->read_spec(1).error().message, HasSubstr("no spec"));
  EXPECT_EQ(format::to_msgpack(journal->load_start("m").value()), format::to_msgpack(start));
  EXPECT_EQ(journal->load_start("unknown").value().next_sequence, 1u);
}

TEST_F(JournalTest, AStartThatWasKeptIsThereLaterAndNeverOvertakesOneThatWasSaved) {
  auto numbered = [](std::uint64_t sequence) {
    control::Start start;
    start.next_sequence = sequence;
    return start;
  };
  {
    auto journal = open();
    for (std::uint64_t i = 1; i <= 50; ++i) {
      journal->keep_start("m", numbered(2 * i));
      ASSERT_TRUE(journal->save_start("m", numbered(2 * i + 1)));
    }
    EXPECT_EQ(journal->load_start("m").value().next_sequence, 101u);
    journal->keep_start("m", numbered(102));
    journal->keep_start("n", numbered(5));
    EXPECT_EQ(journal->load_start("m").value().next_sequence, 102u);
  }
  auto journal = open();
  EXPECT_EQ(journal->load_start("m").value().next_sequence, 102u);
  EXPECT_EQ(journal->load_start("n").value().next_sequence, 5u);
}

TEST_F(JournalTest, a_replica_row_is_kept_through_its_life_and_deleted_when_gone) {
  auto journal = open();
  ASSERT_TRUE(journal->intent(replica(1)));
  ASSERT_TRUE(journal->intent(replica(2)));
  ASSERT_TRUE(journal->started(ReplicaId(2), 4711, 1ULL << 63));
  ASSERT_TRUE(journal->state(ReplicaId(2), control::ReplicaState::kReady));
  ASSERT_TRUE(journal->state(ReplicaId(1), control::ReplicaState::kGone));
  auto rows = journal->replicas().value();
  ASSERT_EQ(rows.size(), 1u);
  ReplicaRecord row = rows[0];
  EXPECT_EQ(row.id, ReplicaId(2));
  EXPECT_EQ(row.pid, 4711);
  EXPECT_EQ(row.start_ticks, 1ULL << 63);
  EXPECT_EQ(row.state, "ready");
  EXPECT_EQ(row.model, "m");
  EXPECT_EQ(row.variant, "h100");
  EXPECT_EQ(row.port, 8000);
  EXPECT_EQ(row.command_hash, 0xffffffffffffff01ULL);
  EXPECT_EQ(row.devices, "0,1");
  EXPECT_EQ(row.time_scale_micro, 10'000'000);
  EXPECT_EQ(row.ordered_at, Instant::from_nanos(77));
}

TEST_F(JournalTest, an_intent_outlives_a_kill_right_after_the_call) {
  in_killed_child([&] {
    auto journal = Journal::open(path_);
    auto id = (*journal)->next_replica_id().value();
    if (!(*journal)->intent(replica(id.value()))) ::_exit(1);
  });
  auto journal = open();
  auto rows = journal->replicas().value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].id, ReplicaId(1));
  EXPECT_EQ(rows[0].pid, 0) << "never forked";
  EXPECT_GT(journal->next_replica_id().value(), ReplicaId(1)) << "an id is used once";
}

TEST_F(JournalTest, replica_ids_go_on_after_a_restart) {
  { EXPECT_EQ(open()->next_replica_id().value(), ReplicaId(1)); }
  { EXPECT_EQ(open()->next_replica_id().value(), ReplicaId(2)); }
}

TEST_F(JournalTest, world_time_goes_on_later_than_anything_written) {
  EXPECT_EQ(open()->resume_instant(), Instant()) << "a new file starts at zero";
  open()->record("m", decision(50), 0);
  EXPECT_GT(open()->resume_instant(), decision(50).at);
  open()->reached(Instant::from_nanos(90'000'000'000));
  EXPECT_GT(open()->resume_instant(), Instant::from_nanos(90'000'000'000));
  open()->record("m", decision(3), 0);
  EXPECT_GT(open()->resume_instant(), Instant::from_nanos(90'000'000'000)) << "never back";
}

TEST_F(JournalTest, a_second_process_is_told_who_holds_the_journal) {
  auto journal = open();
  EXPECT_THAT(refusal(), HasSubstr("in use by process " + std::to_string(::getpid())));
  journal.reset();
  EXPECT_EQ(refusal(), "opened");
}

TEST_F(JournalTest, a_killed_owner_lets_go_of_the_lock) {
  in_killed_child([&] { (void)Journal::open(path_).value().release(); });
  EXPECT_EQ(refusal(), "opened");
}

TEST_F(JournalTest, a_reader_sees_what_the_owner_wrote_and_may_not_write) {
  auto owner = open();
  owner->record("m", decision(1), 0);
  owner->flush();
  auto reader = open({.read_only = true});
  EXPECT_EQ(reader->decisions("m", 9, std::nullopt).value().size(), 1u);
  EXPECT_THAT(reader->intent(replica(1)).error().message, HasSubstr("reading only"));
  EXPECT_FALSE(reader->next_replica_id());
  reader->record("m", decision(2), 0);
  EXPECT_EQ(reader->dropped(), 1);
}

TEST_F(JournalTest, a_damaged_file_is_named_with_the_fix) {
  std::ofstream(path_) << std::string(8'192, 'g');
  EXPECT_THAT(refusal(),
              testing::AllOf(HasSubstr(path_), HasSubstr("damaged"), HasSubstr("move it away")));
}

TEST_F(JournalTest, a_file_of_a_newer_schema_or_another_program_is_refused) {
  { open(); }
  ASSERT_TRUE(
      Database::open(path_, Database::Access::kReadWrite)->script("PRAGMA user_version = 99"));
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("newer tidegate"), HasSubstr("99")));
  std::filesystem::remove(path_);
  ASSERT_TRUE(Database::open(path_, Database::Access::kReadWrite)->script("CREATE TABLE t(x)"));
  EXPECT_THAT(refusal(), HasSubstr("another program"));
}

TEST_F(JournalTest, a_directory_that_cannot_be_made_is_an_error) {
  std::ofstream(directory_ + "/file") << "x";
  path_ = directory_ + "/file/journal.db";
  EXPECT_THAT(refusal(), HasSubstr("cannot create its directory"));
}

TEST_F(JournalTest, the_oldest_decisions_make_room_and_replica_rows_never_do) {
  constexpr std::int64_t kMaxBytes = 2 << 20;
  constexpr std::uint64_t kDecisions = 3'000;
  auto journal = open({.max_bytes = kMaxBytes});
  ASSERT_TRUE(journal->intent(replica(1)));
  journal->spec(1, "of an earlier decision");
  for (std::uint64_t i = 1; i <= kDecisions; ++i) journal->record("m", decision(i, 2'000), 0);
  journal->flush();
  ASSERT_EQ(journal->dropped(), 0) << journal->last_error();
  EXPECT_LE(bytes_on_disk(), kMaxBytes + (64 << 10))
      << "the lock and the index of the log come on top";
  auto rows = journal->decisions("m", kDecisions, std::nullopt).value();
  EXPECT_EQ(rows.front().sequence, kDecisions);
  EXPECT_GT(rows.size(), 200u) << "most of the room is used";
  EXPECT_LT(rows.size(), kDecisions);
  for (std::size_t i = 1; i < rows.size(); ++i)
    ASSERT_EQ(rows[i].sequence + 1, rows[i - 1].sequence);
  EXPECT_EQ(journal->replicas().value().size(), 1u);
  EXPECT_TRUE(journal->read_spec(1)) << "loaded by this run, perhaps in force";
}

TEST_F(JournalTest, a_spec_that_no_decision_names_goes_with_a_later_run) {
  { open()->spec(1, "old"); }
  auto journal = open({.max_bytes = 1 << 20});
  for (std::uint64_t i = 1; i <= 1'000; ++i) journal->record("m", decision(i, 2'000), 0);
  EXPECT_FALSE(journal->read_spec(1));
}

TEST_F(JournalTest, a_full_disk_costs_counted_records_and_a_refused_intent_but_nobody_waits) {
  ASSERT_TRUE(open()->intent(replica(1)));
  auto journal = open({.max_pages = 40});
  for (std::uint64_t i = 1; i <= 500; ++i) journal->record("m", decision(i, 2'000), 0);
  journal->flush();
  auto written = journal->decisions("m", 1'000, std::nullopt).value().size();
  EXPECT_GT(journal->dropped(), 0);
  EXPECT_GE(static_cast<std::int64_t>(written) + journal->dropped(), 500);
  EXPECT_THAT(journal->last_error(), HasSubstr("no space left"));
  // A replica row may still find a page with room; the first that does not must say so.
  Result<void> kept;
  for (std::uint64_t id = 2; kept && id < 1'000; ++id) {
    ReplicaRecord row = replica(id);
    row.devices.assign(3'000, '0');
    kept = journal->intent(row);
  }
  ASSERT_FALSE(kept);
  EXPECT_THAT(kept.error().message, HasSubstr("no space left"));
  EXPECT_EQ(journal->replicas().value().at(0).id, ReplicaId(1)) << "what was there is readable";
}

TEST_F(JournalTest, a_queue_at_its_limit_keeps_all_and_one_past_it_drops_the_oldest) {
  { open(); }  // makes the tables
  constexpr std::size_t kLimit = 50;
  std::mutex gate;
  {
    auto db = Database::open(path_, Database::Access::kReadWrite).value();
    JournalWriter writer(std::move(db), gate, {.max_pending = kLimit}, 1);
    // The writer takes the first record and then stands at the closed gate: the rest stays queued.
    gate.lock();
    writer.push(DecisionJob{"m", decision(1), 0});
    while (writer.pending() > 0) std::this_thread::yield();
    for (std::uint64_t i = 2; i < 2 + kLimit; ++i) writer.push(DecisionJob{"m", decision(i), 0});
    EXPECT_EQ(writer.pending(), kLimit);
    EXPECT_EQ(writer.dropped(), 0);
    writer.push(DecisionJob{"m", decision(2 + kLimit), 0});
    EXPECT_EQ(writer.pending(), kLimit);
    EXPECT_EQ(writer.dropped(), 1);
    gate.unlock();
    writer.flush();
  }
  auto rows = open()->decisions("m", 1'000, std::nullopt).value();
  EXPECT_EQ(rows.size(), kLimit + 1);
  EXPECT_EQ(rows.front().sequence, 2 + kLimit);
  EXPECT_EQ(rows[rows.size() - 2].sequence, 3u) << "the oldest that waited, 2, made room";
}

TEST_F(JournalTest, all_members_may_be_called_from_many_threads) {
  constexpr int kThreads = 4, kEach = 100;
  auto journal = open();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::string model = "m" + std::to_string(t);
      for (std::uint64_t i = 1; i <= kEach; ++i) {
        journal->record(model, decision(i), 0);
        journal->outcome(model, {i, "h100", 1, true, "", WallTime()});
        if (i % 25 == 0) {
          auto id = journal->next_replica_id().value();
          ASSERT_TRUE(journal->intent(replica(id.value())));
          ASSERT_TRUE(journal->started(id, 1, 2));
          ASSERT_TRUE(journal->decisions(model, 1, std::nullopt));
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  journal->flush();
  for (int t = 0; t < kThreads; ++t) {
    EXPECT_EQ(journal->decisions("m" + std::to_string(t), 1'000, std::nullopt).value().size(),
              kEach);
  }
  EXPECT_EQ(journal->replicas().value().size(), kThreads * kEach / 25) << "every id was given once";
}

}  // namespace
}  // namespace tidegate::live
