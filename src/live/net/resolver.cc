#include "live/net/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "core/base/ascii.h"

namespace tidegate::net::http1 {
namespace {

SocketAddress v4(const in_addr& host, std::uint16_t port) {
  SocketAddress out;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr = host;
  in.sin_port = htons(port);
  std::memcpy(&out.storage, &in, sizeof in);
  out.size = sizeof in;
  return out;
}

SocketAddress v6(const in6_addr& host, std::uint16_t port) {
  SocketAddress out;
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_addr = host;
  in.sin6_port = htons(port);
  std::memcpy(&out.storage, &in, sizeof in);
  out.size = sizeof in;
  return out;
}

std::vector<SocketAddress> numeric(const Address& address) {
  in_addr four{};
  in6_addr six{};
  if (::inet_pton(AF_INET, address.host.c_str(), &four) == 1) return {v4(four, address.port)};
  if (::inet_pton(AF_INET6, address.host.c_str(), &six) == 1) return {v6(six, address.port)};
  if (ascii::equal_ignoring_case(address.host, "localhost")) {
    four.s_addr = htonl(INADDR_LOOPBACK);
    return {v4(four, address.port), v6(in6addr_loopback, address.port)};
  }
  return {};
}

Resolver::Found by_system(const Address& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (error != 0) {
    return tidegate::fail("cannot resolve \"" + address.host + "\": " + ::gai_strerror(error));
  }
  std::vector<SocketAddress> found;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    SocketAddress one;
    if (at->ai_addrlen > sizeof one.storage) continue;
    std::memcpy(&one.storage, at->ai_addr, at->ai_addrlen);
    one.size = at->ai_addrlen;
    found.push_back(one);
  }
  ::freeaddrinfo(list);
  return found;
}

}  // namespace

/// Between the loop's thread and lookups that may outlive the resolver, and the loop.
struct Resolver::Mail {
  std::mutex mutex;
  Resolver* to = nullptr;  ///< null: closed
};

Resolver::Resolver(Loop& loop) : Resolver(loop, by_system) {}

Resolver::Resolver(Loop& loop, Lookup lookup)
    : loop_(loop), lookup_(std::move(lookup)), mail_(std::make_shared<Mail>()) {
  mail_->to = this;
}

void Resolver::close() {
  const std::lock_guard lock(mail_->mutex);
  mail_->to = nullptr;
  waiting_.clear();
  queued_.clear();
}

std::optional<Resolver::Found> Resolver::resolve(const Address& address, Told told) {
  if (auto found = numeric(address); !found.empty()) return found;
  const Instant now = loop_.now();
  if (auto it = known_.find(address); it != known_.end() && now < it->second.kept_until) {
    if (now >= it->second.fresh_until) ask(address);
    return it->second.found;
  }
  ask(address);
  waiting_[address].push_back(std::move(told));
  return std::nullopt;
}

void Resolver::ask(const Address& address) {
  if (!waiting_.try_emplace(address).second) return;
  if (running_ < kMaxLookups) return start(address);
  queued_.push_back(address);
}

void Resolver::start(const Address& address) {
  ++running_;
  auto work = [mail = mail_, lookup = lookup_, address] {
    Found found = lookup(address);
    const std::lock_guard lock(mail->mutex);
    if (mail->to == nullptr) return;
    mail->to->loop_.post([mail, address, found = std::move(found)] {
      if (mail->to != nullptr) mail->to->done(address, found);
    });
  };
  try {
    std::thread(std::move(work)).detach();
  } catch (const std::system_error& error) {
    loop_.post([mail = mail_, address, why = std::string(error.what())] {
      if (mail->to == nullptr) return;
      mail->to->done(address, fail("cannot resolve \"" + address.host + "\": no thread: " + why));
    });
  }
}

void Resolver::done(const Address& address, const Found& found) {
  --running_;
  const Instant now = loop_.now();
  auto it = known_.find(address);
  if (found) {
    if (it == known_.end() && known_.size() >= kMaxNames) known_.clear();
    known_.insert_or_assign(address, Known{found, now + kRemember, now + kKeep});
  } else if (it != known_.end() && it->second.found && now < it->second.kept_until) {
    it->second.fresh_until = now + kRetry;
  } else {
    if (it == known_.end() && known_.size() >= kMaxNames) known_.clear();
    known_.insert_or_assign(address, Known{found, now + kRetry, now + kRetry});
  }
  auto waiting = waiting_.extract(address);
  if (!queued_.empty()) {
    const Address next = std::move(queued_.front());
    queued_.pop_front();
    start(next);
  }
  if (waiting.empty()) return;
  for (const Told& told : waiting.mapped()) told(found);  // may close us
}

}  // namespace tidegate::net::http1
