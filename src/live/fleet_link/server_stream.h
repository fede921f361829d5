#pragma once
// One stream of the server. A part of server.cc, with gRPC in it: nobody else includes it.
//
// gRPC calls on threads of its own, the server on the loop's (turns.h).

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "gateway.grpc.pb.h"
#include "live/fleet_link/server.h"
#include "live/fleet_link/turns.h"
#include "live/fleet_link/wire.h"

namespace tidegate::live::link {

using grpc::Status;
using grpc::StatusCode;
using Reactor = grpc::ServerBidiReactor<wire::FromGateway, wire::FromLeader>;

/// Nothing but a refusal.
class Refusal final : public Reactor {
 public:
  explicit Refusal(const Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

class Stream final : public Turns<Reactor, wire::FromGateway, wire::FromLeader> {
 public:
  /// Called on gRPC's threads.
  struct Hooks {
    std::function<void(PeerId, wire::FromGateway)> read;
    std::function<void(PeerId)> written, done;
  };
  Stream(PeerId id, Hooks hooks) : id_(id), hooks_(std::move(hooks)) {}

  PeerId id() const { return id_; }
  void begin() { next(); }
  void end(const Status& status) {
    if (let_go()) Finish(status);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return end(Status::OK);
    hooks_.read(id_, std::move(in_));
  }
  void OnWriteDone(bool ok) override {
    written();
    if (!ok) return end({StatusCode::CANCELLED, "the gateway has left"});
    hooks_.written(id_);
  }
  void OnCancel() override { end({StatusCode::CANCELLED, "the gateway has left"}); }
  void OnDone() override { hooks_.done(id_); }  // and this may be no more

 private:
  const PeerId id_;
  const Hooks hooks_;
};

}  // namespace tidegate::live::link
