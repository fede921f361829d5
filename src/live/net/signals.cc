#include "live/net/signals.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

namespace tidegate::net {

Result<std::unique_ptr<Signals>> Signals::create(Loop& loop, std::function<void(int)> callback) {
  sigset_t wanted;
  sigset_t before;
  sigemptyset(&wanted);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&wanted, number);
  if (int error = pthread_sigmask(SIG_BLOCK, &wanted, &before); error != 0) {
    return fail(std::string("cannot block signals: ") + strerror(error));
  }
  int fd = ::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) {
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return fail(std::string("cannot receive signals: ") + strerror(error));
  }
  std::unique_ptr<Signals> signals(new Signals(loop, fd, before));
  auto watched = loop.watch(fd, EPOLLIN, [fd, callback = std::move(callback)](std::uint32_t) {
    // One a wake-up (the watch is level-triggered): the callback may destroy this object and its
    // fd.
    signalfd_siginfo info{};
    if (::read(fd, &info, sizeof info) == sizeof info) callback(static_cast<int>(info.ssi_signo));
  });
  if (!watched) return fail(watched.error());
  return signals;
}

Signals::~Signals() {
  loop_.unwatch(fd_);
  ::close(fd_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Signals::unblock_in_child() {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace tidegate::net
