// Loop, clock, addresses, URLs, queries, logs, signals.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "live/net/clock.h"
#include "live/net/deadline.h"
#include "live/net/http.h"
#include "live/net/log.h"
#include "live/net/loop.h"
#include "live/net/percent.h"
#include "live/net/signals.h"
#include "live/net/test_socket.h"

namespace tidegate::net {
namespace {

class LoopTest : public ::testing::Test {
 protected:
  std::unique_ptr<Loop> loop = Loop::create().value();
};

TEST_F(LoopTest, TimersRunInOrderOfTimeThenOfArming) {
  std::string order;
  Instant t = WorldClock::mono_now() + millis(5);
  loop->at(t + millis(1), [&] { order += 'd'; });
  loop->at(t, [&] { order += 'b'; });
  loop->at(t, [&] { order += 'c'; });
  loop->at(t - millis(1), [&] { order += 'a'; });
  EXPECT_TRUE(loop->run_until([&] { return order.size() == 4; }, kTestPatience));
  EXPECT_EQ(order, "abcd");
}

TEST_F(LoopTest, CancelledTimersStaySilentAndTheirIdsAreNotReused) {
  int fired = 0;
  std::vector<Loop::TimerId> ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(loop->after(millis(1), [&] { ++fired; }));
  for (int i = 0; i < 1000; i += 2) loop->cancel(ids[i]);
  auto fresh = loop->after(millis(1), [&] { ++fired; });
  for (int i = 0; i < 1000; i += 2) loop->cancel(ids[i]);  // again: not the fresh one's
  loop->cancel(Loop::TimerId::kNone);
  EXPECT_TRUE(loop->run_until([&] { return fired == 501; }, kTestPatience));
  loop->cancel(fresh);
  loop->run_for(millis(2));
  EXPECT_EQ(fired, 501);
}

TEST_F(LoopTest, ATimerMayCancelAndArmOthersWhileItRuns) {
  int fired = 0;
  Instant t = WorldClock::mono_now() + millis(1);
  Loop::TimerId second{};
  loop->at(t, [&] {
    loop->cancel(second);
    loop->at(t, [&] { ++fired; });
  });
  second = loop->at(t, [&] { fired += 100; });
  EXPECT_TRUE(loop->run_until([&] { return fired > 0; }, kTestPatience));
  EXPECT_EQ(fired, 1);
}

TEST_F(LoopTest, PostsComeFromOtherThreadsInOrder) {
  std::vector<int> got;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) loop->post([&got, i] { got.push_back(i); });
    loop->post([this] { loop->stop(); });
  });
  loop->run();
  other.join();
  ASSERT_EQ(got.size(), 100u);
  EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
}

TEST_F(LoopTest, AnEventOfAClosedDescriptorNeverReachesItsSuccessor) {
  int one[2];
  int two[2];
  ASSERT_EQ(::pipe(one), 0);
  ASSERT_EQ(::pipe(two), 0);
  ASSERT_EQ(::write(one[1], "x", 1), 1);
  ASSERT_EQ(::write(two[1], "x", 1), 1);
  int wrong = 0;
  int calls = 0;
  // Whichever runs first closes the other's fd and puts a silent pipe in its place.
  auto replace = [&](int fd) {
    ++calls;
    loop->unwatch(fd);
    int fresh[2];
    ASSERT_EQ(::pipe(fresh), 0);
    ASSERT_EQ(::dup2(fresh[0], fd), fd);
    ::close(fresh[0]);
    ASSERT_TRUE(loop->watch(fd, EPOLLIN, [&](std::uint32_t) { ++wrong; }));
    ::close(fresh[1]);
    ::dup2(one[1], fresh[1]);  // keep the number taken: the writer stays open elsewhere
  };
  bool first = true;
  auto on_event = [&](int self, int other) {
    if (!first) return;
    first = false;
    loop->unwatch(self);
    replace(other);
  };
  ASSERT_TRUE(loop->watch(one[0], EPOLLIN, [&](std::uint32_t) { on_event(one[0], two[0]); }));
  ASSERT_TRUE(loop->watch(two[0], EPOLLIN, [&](std::uint32_t) { on_event(two[0], one[0]); }));
  EXPECT_TRUE(loop->run_until([&] { return calls == 1; }, kTestPatience));
  EXPECT_EQ(wrong, 0) << "the batch's second event belonged to the descriptor that was closed";
}

TEST_F(LoopTest, ACallbackMayUnwatchItself) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  auto token = std::make_shared<int>(7);
  std::weak_ptr<int> alive = token;
  int seen = 0;
  ASSERT_TRUE(loop->watch(ends[0], EPOLLIN, [&, token = std::move(token)](std::uint32_t) {
    loop->unwatch(ends[0]);
    seen = *token;  // still whole
  }));
  EXPECT_TRUE(loop->run_until([&] { return seen == 7; }, kTestPatience));
  EXPECT_TRUE(alive.expired());
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(LoopTest, TheEndOfAProcessIsSeenAlsoWhenItCameBefore) {
  for (bool before : {false, true}) {
    int gate[2];
    ASSERT_EQ(::pipe(gate), 0);
    int pid = ::fork();
    if (pid == 0) {
      char byte = 0;
      ::_exit(::read(gate[0], &byte, 1) == 1 ? 3 : 4);
    }
    bool ended = false;
    if (before) {
      ASSERT_EQ(::write(gate[1], "x", 1), 1);
      siginfo_t info{};
      ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
    }
    ASSERT_TRUE(loop->watch_process(pid, [&] { ended = true; }));
    if (!before) {
      ASSERT_EQ(::write(gate[1], "x", 1), 1);
    }
    EXPECT_TRUE(loop->run_until([&] { return ended; }, kTestPatience));
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(WEXITSTATUS(status), 3);
    ::close(gate[0]);
    ::close(gate[1]);
    EXPECT_FALSE(loop->watch_process(pid, [] {})) << "no such process any more";
  }
}

TEST_F(LoopTest, RunUntilGivesUpAtItsLimit) {
  EXPECT_FALSE(loop->run_until([] { return false; }, millis(1)));
  loop->after(Duration(0), [this] { loop->stop(); });
  EXPECT_FALSE(loop->run_until([] { return false; }, kTestPatience)) << "stop() ends it too";
}

TEST_F(LoopTest, ADeadlineMovesAndFiresOnce) {
  int fired = 0;
  Deadline deadline(*loop, [&] { ++fired; });
  Instant now = WorldClock::mono_now();
  deadline.set(now + seconds(1000));
  deadline.set(now + millis(1));  // earlier
  EXPECT_TRUE(loop->run_until([&] { return fired == 1; }, kTestPatience));
  deadline.set(WorldClock::mono_now() + millis(1));
  deadline.set(WorldClock::mono_now() + millis(6));  // later: the first timer finds nothing to do
  EXPECT_TRUE(loop->run_until([&] { return fired == 2; }, kTestPatience));
  deadline.set(WorldClock::mono_now() + millis(1));
  deadline.clear();
  loop->run_for(millis(3));
  EXPECT_EQ(fired, 2);
}

TEST_F(LoopTest, SignalsArriveAsCallbacks) {
  std::vector<int> got;
  {
    auto signals = Signals::create(*loop, [&](int number) { got.push_back(number); });
    ASSERT_TRUE(signals);
    for (int number : {SIGHUP, SIGTERM, SIGINT}) {
      ASSERT_EQ(::kill(::getpid(), number), 0);
      EXPECT_TRUE(
          loop->run_until([&] { return !got.empty() && got.back() == number; }, kTestPatience));
    }
  }
  sigset_t mask;
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, nullptr, &mask), 0);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 0) << "the mask of before is back";
}

TEST(ClockTest, WorldTimeIsWallTimeTimesTheScale) {
  WorldClock clock(10.0, Instant::from_nanos(5));
  EXPECT_EQ(clock.to_wall(seconds(10)), seconds(1));
  EXPECT_EQ(clock.to_world(seconds(1)), seconds(10));
  Instant mono = WorldClock::mono_now();
  Instant first = clock.now();
  EXPECT_GE(first, Instant::from_nanos(5));
  while (WorldClock::mono_now() - mono < millis(1)) {
  }
  EXPECT_GE(clock.now() - first, millis(9));
  EXPECT_GT(WorldClock::wall_now().unix_nanos(), 1'600'000'000'000'000'000);
}

TEST(HttpWordsTest, Addresses) {
  const struct {
    const char* text;
    const char* expect;  ///< empty: refused
  } rows[] = {
      {"8080", "127.0.0.1:8080"},
      {":8080", "127.0.0.1:8080"},
      {"0.0.0.0:1", "0.0.0.0:1"},
      {"[::1]:80", "[::1]:80"},
      {"localhost:0", "localhost:0"},
      {"a-b.c_d:65535", "a-b.c_d:65535"},
      {"", ""},
      {"host:", ""},
      {"host:65536", ""},
      {"host:8x", ""},
      {"::1:80", ""},
      {"[::1]", ""},
      {"a b:80", ""},
      {"host:-1", ""},
      {"host: 80", ""},
  };
  for (const auto& row : rows) {
    auto address = parse_address(row.text);
    EXPECT_EQ(address ? address->text() : "", row.expect) << row.text;
  }
  EXPECT_EQ(parse_address(":80", "0.0.0.0")->text(), "0.0.0.0:80");
}

TEST(HttpWordsTest, Urls) {
  const struct {
    const char* text;
    const char* address;  ///< or what the error says
    const char* path;     ///< empty: refused
  } rows[] = {
      {"http://a:1/b?c#d", "a:1", "/b?c"},     {"HTTP://a", "a:80", "/"},
      {"http://[::1]:9", "[::1]:9", "/"},      {"http://[::1]/x", "[::1]:80", "/x"},
      {"http://a?q", "a:80", "/?q"},           {"https://a", "https is not supported", ""},
      {"a:80", "must start with http://", ""}, {"ftp://a", "only http://", ""},
      {"http://u:p@a", "passwords", ""},       {"http://", "host", ""},
      {"http://a:99999", "65535", ""},         {"http://a/b c", "percent-encoded", ""},
  };
  for (const auto& row : rows) {
    auto url = parse_url(row.text);
    if (*row.path != 0) {
      ASSERT_TRUE(url) << row.text << ": " << url.error().message;
      EXPECT_EQ(url->address.text(), row.address);
      EXPECT_EQ(url->path, row.path);
    } else {
      ASSERT_FALSE(url) << row.text;
      EXPECT_NE(url.error().message.find(row.address), std::string::npos) << url.error().message;
    }
  }
}

TEST(HttpWordsTest, HeadersAndQueries) {
  Headers headers;
  headers.add("Content-Type", "a");
  headers.add("X", "1");
  headers.add("x", "2");
  EXPECT_EQ(headers.get("content-TYPE"), "a");
  EXPECT_EQ(headers.get("x"), "1");
  headers.set("X", "3");
  EXPECT_EQ(headers.all().size(), 2u);
  EXPECT_EQ(headers.get("x"), "3");
  headers.remove("X");
  EXPECT_FALSE(headers.has("x"));
  EXPECT_EQ(query_value("a=1&b=x%20y+z&a=2&c", "b"), "x y z");
  EXPECT_EQ(query_values("a=1&b=2&a=3", "a"), (std::vector<std::string>{"1", "3"}));
  EXPECT_EQ(query_value("a=%zz%4", "a"), "%zz%4");
  EXPECT_EQ(percent_encode("a b/\xc3\xbc#~-_."), "a%20b%2F%C3%BC%23~-_.");
  EXPECT_EQ(percent_encode("a b/c", "/"), "a%20b/c");
  EXPECT_EQ(query_value("a=1", "b"), "");
}

TEST(LogTest, OneEventIsOneLineWhateverItHolds) {
  configure_log(Level::kInfo, LogFormat::kJson);
  ::testing::internal::CaptureStderr();
  log(Level::kDebug, "hidden");
  log(Level::kWarn, "a \"quoted\"\nmessage", {{"key", "line\r\nbreak\\"}, {"n", "1"}});
  auto json = nlohmann::json::parse(::testing::internal::GetCapturedStderr());
  EXPECT_EQ(json["message"], "a \"quoted\"\nmessage");
  EXPECT_EQ(json["key"], "line\r\nbreak\\");
  EXPECT_EQ(json["level"], "warning");
  configure_log(Level::kInfo, LogFormat::kText);
  ::testing::internal::CaptureStderr();
  log(Level::kInfo, "ready", {{"model", "m"}, {"why", "two words\n"}});
  std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find(" info ready model=m why=\"two words\\n\"\n"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

}  // namespace
}  // namespace tidegate::net
