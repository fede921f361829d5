#include "live/net/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "live/net/clock.h"

namespace tidegate::net {
namespace {

constexpr int kMaxEventsPerWait = 256;
/// Cancelled timers stay in the heap until they are due or until they are more than half of it.
constexpr std::size_t kMinStaleToCompact = 64;

Error system_error(std::string what) { return Error{std::move(what) + ": " + strerror(errno)}; }

std::uint64_t key_of(int fd, std::uint32_t generation) {
  return (std::uint64_t{generation} << 32) | static_cast<std::uint32_t>(fd);
}

}  // namespace

struct Loop::State {
  struct Watch {
    FdCallback callback;
    std::uint32_t generation = 0;  // tells an event of a closed fd from one of its successor
    std::uint32_t events = 0;
    bool active = false;
  };
  struct Timer {
    Callback callback;
    std::uint32_t generation = 1;
    bool armed = false;
  };
  struct Due {
    Instant at;
    std::uint64_t sequence;
    std::uint32_t slot;
    std::uint32_t generation;
    /// A max-heap by `operator<` must give the earliest first, in order of arming among equals.
    bool operator<(const Due& other) const {
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };

  int epoll_fd = -1;
  int event_fd = -1;
  bool has_pwait2 = true;
  Instant now;
  std::vector<Watch> watches;
  std::uint32_t next_generation = 1;
  std::vector<Timer> timers;
  std::vector<std::uint32_t> free_timers;
  std::vector<Due> heap;
  std::size_t stale = 0;
  std::uint64_t sequence = 0;
  std::vector<Callback> deferred;
  std::unordered_set<int> pidfds;
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::vector<Callback> posted;  // guarded by mutex

  ~State() {
    for (int fd : pidfds) ::close(fd);
    if (event_fd >= 0) ::close(event_fd);
    if (epoll_fd >= 0) ::close(epoll_fd);
  }

  bool live(const Due& due) const {
    return timers[due.slot].armed && timers[due.slot].generation == due.generation;
  }
  void release(std::uint32_t slot) {
    timers[slot].armed = false;
    ++timers[slot].generation;
    free_timers.push_back(slot);
  }
  void drop_stale_head() {
    while (!heap.empty() && !live(heap.front())) {
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
      --stale;
    }
  }
  void compact() {
    if (stale < kMinStaleToCompact || stale * 2 < heap.size()) return;
    std::erase_if(heap, [this](const Due& due) { return !live(due); });
    std::make_heap(heap.begin(), heap.end());
    stale = 0;
  }

  int wait(epoll_event* events, Duration timeout) {
    if (timeout < Duration(0)) timeout = Duration(0);
    timespec spec{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
    if (has_pwait2) {
      int n = ::epoll_pwait2(epoll_fd, events, kMaxEventsPerWait, &spec, nullptr);
      if (n >= 0 || errno != ENOSYS) return n;
      has_pwait2 = false;  // kernels before 5.11: whole milliseconds, rounded up
    }
    std::int64_t ms = std::min<std::int64_t>((timeout.count() + 999'999) / 1'000'000, 3'600'000);
    return ::epoll_wait(epoll_fd, events, kMaxEventsPerWait, static_cast<int>(ms));
  }

  void dispatch(const epoll_event& event) {
    int fd = static_cast<int>(event.data.u64 & 0xffffffffu);
    auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
    if (fd == event_fd) {
      std::uint64_t count = 0;
      [[maybe_unused]] auto n = ::read(event_fd, &count, sizeof count);
      return;
    }
    auto index = static_cast<std::size_t>(fd);
    if (index >= watches.size() || watches[index].generation != generation) return;
    // Moved out while it runs: unwatch() inside it must not destroy it under its own feet.
    FdCallback callback = std::move(watches[index].callback);
    if (!callback) return;
    callback(event.events);
    Watch& after = watches[index];
    if (after.active && after.generation == generation) after.callback = std::move(callback);
  }

  void run_timers() {
    for (drop_stale_head(); !heap.empty() && heap.front().at <= now; drop_stale_head()) {
      Due due = heap.front();
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
      Callback callback = std::move(timers[due.slot].callback);
      release(due.slot);
      callback();
    }
  }

  void run_posted() {
    std::vector<Callback> batch;
    {
      std::lock_guard lock(mutex);
      batch.swap(posted);
    }
    for (auto& callback : batch) callback();
  }

  void run_deferred() {
    std::vector<Callback> batch;
    batch.swap(deferred);
    for (auto& callback : batch) callback();
  }

  /// One wake-up: waits until an event, a timer or `until`, then runs everything that is due.
  void step(Instant until) {
    drop_stale_head();
    if (!heap.empty()) until = std::min(until, heap.front().at);
    Duration timeout(0);
    if (deferred.empty()) {
      constexpr Duration kLongest = seconds(3600);
      timeout = until.is_never() ? kLongest : std::min(kLongest, until - WorldClock::mono_now());
    }
    epoll_event events[kMaxEventsPerWait];
    int n = wait(events, timeout);
    TIDEGATE_CHECK(n >= 0 || errno == EINTR);
    now = WorldClock::mono_now();
    for (int i = 0; i < n; ++i) dispatch(events[i]);
    run_timers();
    run_posted();
    run_deferred();
  }
};

Loop::Loop() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<Loop>> Loop::create() {
  std::unique_ptr<Loop> loop(new Loop());
  State& s = *loop->state_;
  s.epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (s.epoll_fd < 0) return fail(system_error("cannot create an epoll instance"));
  s.event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (s.event_fd < 0) return fail(system_error("cannot create an eventfd"));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key_of(s.event_fd, 0);
  if (::epoll_ctl(s.epoll_fd, EPOLL_CTL_ADD, s.event_fd, &event) != 0) {
    return fail(system_error("cannot watch an eventfd"));
  }
  s.now = WorldClock::mono_now();
  return loop;
}

Loop::~Loop() {
  // Callbacks may own objects whose destructors call cancel(), unwatch() or defer(): they still
  // find a whole State, and what they add is dropped in turn.
  State& s = *state_;
  while (!s.deferred.empty()) std::exchange(s.deferred, {});
  {
    std::vector<Callback> batch;
    std::lock_guard lock(s.mutex);
    batch.swap(s.posted);
  }
  for (std::size_t i = 0; i < s.timers.size(); ++i) {
    Callback dropped = std::move(s.timers[i].callback);
  }
  for (std::size_t i = 0; i < s.watches.size(); ++i) {
    FdCallback dropped = std::move(s.watches[i].callback);
  }
}

Instant Loop::now() const { return state_->now; }

Loop::TimerId Loop::at(Instant mono, Callback callback) {
  State& s = *state_;
  std::uint32_t slot = 0;
  if (s.free_timers.empty()) {
    slot = static_cast<std::uint32_t>(s.timers.size());
    s.timers.emplace_back();
  } else {
    slot = s.free_timers.back();
    s.free_timers.pop_back();
  }
  s.timers[slot].callback = std::move(callback);
  s.timers[slot].armed = true;
  std::uint32_t generation = s.timers[slot].generation;
  s.heap.push_back({mono, ++s.sequence, slot, generation});
  std::push_heap(s.heap.begin(), s.heap.end());
  return TimerId{(std::uint64_t{generation} << 32) | slot};
}

Loop::TimerId Loop::after(Duration wall, Callback callback) {
  // From the true now: a long callback must not shorten the time-outs it sets.
  return at(WorldClock::mono_now() + wall, std::move(callback));
}

void Loop::cancel(TimerId id) {
  State& s = *state_;
  auto slot = static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) & 0xffffffffu);
  auto generation = static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) >> 32);
  if (generation == 0 || slot >= s.timers.size()) return;
  if (!s.timers[slot].armed || s.timers[slot].generation != generation) return;
  Callback dropped = std::move(s.timers[slot].callback);
  s.timers[slot].callback = nullptr;
  s.release(slot);
  ++s.stale;
  s.compact();
}

void Loop::post(Callback callback) {
  {
    std::lock_guard lock(state_->mutex);
    state_->posted.push_back(std::move(callback));
  }
  std::uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(state_->event_fd, &one, sizeof one);
}

void Loop::defer(Callback callback) { state_->deferred.push_back(std::move(callback)); }

Result<void> Loop::watch(int fd, std::uint32_t events, FdCallback callback) {
  State& s = *state_;
  TIDEGATE_CHECK(fd >= 0);
  auto index = static_cast<std::size_t>(fd);
  if (index >= s.watches.size()) s.watches.resize(index + 1);
  State::Watch& w = s.watches[index];
  TIDEGATE_CHECK(!w.active);
  std::uint32_t generation = s.next_generation++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = key_of(fd, generation);
  if (::epoll_ctl(s.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
    return fail(system_error("cannot watch descriptor " + std::to_string(fd)));
  }
  w.callback = std::move(callback);
  w.generation = generation;
  w.events = events;
  w.active = true;
  return {};
}

void Loop::change(int fd, std::uint32_t events) {
  auto index = static_cast<std::size_t>(fd);
  if (fd < 0 || index >= state_->watches.size()) return;
  State::Watch& w = state_->watches[index];
  if (!w.active || w.events == events) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = key_of(fd, w.generation);
  TIDEGATE_CHECK(::epoll_ctl(state_->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0);
  w.events = events;
}

void Loop::unwatch(int fd) {
  auto index = static_cast<std::size_t>(fd);
  if (fd < 0 || index >= state_->watches.size()) return;
  State::Watch& w = state_->watches[index];
  if (!w.active) return;
  w.active = false;
  w.generation = 0;
  FdCallback dropped = std::move(w.callback);  // its destructor may watch() and move `watches`
  w.callback = nullptr;
  ::epoll_ctl(state_->epoll_fd, EPOLL_CTL_DEL, fd, nullptr);
}

Result<void> Loop::watch_process(int pid, Callback ended) {
  int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return fail(system_error("cannot watch process " + std::to_string(pid)));
  auto watched = watch(fd, EPOLLIN, [this, fd, ended = std::move(ended)](std::uint32_t) {
    auto callback = ended;
    unwatch(fd);
    state_->pidfds.erase(fd);
    ::close(fd);
    callback();
  });
  if (!watched) {
    ::close(fd);
    return watched;
  }
  state_->pidfds.insert(fd);
  return {};
}

void Loop::run() {
  while (!state_->stopping.load()) state_->step(Instant::never());
  state_->stopping = false;
}

void Loop::run_for(Duration wall) {
  Instant end = WorldClock::mono_now() + wall;
  do {
    state_->step(end);
  } while (!state_->stopping.load() && WorldClock::mono_now() < end);
  state_->stopping = false;
}

bool Loop::run_until(const std::function<bool()>& done, Duration limit) {
  Instant end = WorldClock::mono_now() + limit;
  while (!done()) {
    if (state_->stopping.exchange(false) || WorldClock::mono_now() >= end) return done();
    state_->step(end);
  }
  return true;
}

void Loop::stop() {
  state_->stopping = true;
  std::uint64_t one = 1;
  [[maybe_unused]] auto n = ::write(state_->event_fd, &one, sizeof one);
}

}  // namespace tidegate::net
