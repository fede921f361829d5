#pragma once
// A router with its clock and its actions at hand; for the tests of this room.

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/route/router.h"

namespace tidegate::route {

struct Desk {
  explicit Desk(Options options = {}) : router(std::move(options)) {}

  std::vector<Action> say(const Event& event) {
    std::vector<Action> actions;
    router.handle(event, now, actions);
    for (const Action& a : actions) {
      if (const auto* d = std::get_if<Dispatch>(&a)) bound[d->id.value()] = d->replica.value();
      if (const auto* r = std::get_if<Answer>(&a)) answered[r->id.value()] = r->outcome;
    }
    return actions;
  }
  std::vector<Action> arrive(std::uint64_t id, std::int64_t prompt = 100,
                             std::int64_t output = 100) {
    return say(arrived(id, prompt, output));
  }
  static Arrived arrived(std::uint64_t id, std::int64_t prompt = 100, std::int64_t output = 100) {
    Arrived a;
    a.id = RequestId(id);
    a.prompt = Tokens(prompt);
    a.max_output = Tokens(output);
    a.bytes = 10;
    return a;
  }
  std::vector<Action> up(std::uint64_t replica, std::int64_t max_requests, std::int64_t kv = 0,
                         std::int64_t prefill = 0) {
    return say(ReplicaUp{ReplicaId(replica), 0, max_requests, kv, prefill});
  }
  std::vector<Action> first_byte(std::uint64_t id) { return say(FirstByte{RequestId(id)}); }
  std::vector<Action> finish(std::uint64_t id, std::int64_t output = 100) {
    return say(Finished{RequestId(id), Tokens(100), Tokens(0), Tokens(output)});
  }
  std::vector<Action> fail(std::uint64_t id) { return say(Failed{RequestId(id), 0, 0}); }
  std::vector<Action> busy(std::uint64_t id) { return say(Failed{RequestId(id), 0, 1}); }
  std::vector<Action> gone(std::uint64_t id) { return say(Gone{RequestId(id)}); }
  std::vector<Action> wait(Duration d) {
    now += d;
    return say(Tick{});
  }
  /// The replica a request was last bound to; 0: none yet.
  std::uint64_t replica_of(std::uint64_t id) const {
    auto it = bound.find(id);
    return it == bound.end() ? 0 : it->second;
  }
  std::optional<Outcome> outcome(std::uint64_t id) const {
    auto it = answered.find(id);
    return it == answered.end() ? std::nullopt : std::optional(it->second);
  }
  std::int64_t in_flight(std::uint64_t replica) const {
    for (const ReplicaView& v : router.replicas()) {
      if (v.replica.value() == replica) return v.in_flight;
    }
    return -1;
  }

  Router router;
  Instant now = Instant::from_nanos(1'000'000'000);
  std::map<std::uint64_t, std::uint64_t> bound;
  std::map<std::uint64_t, Outcome> answered;
};

}  // namespace tidegate::route
