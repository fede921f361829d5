#pragma once
// One stream of the server. A part of server.cc, with gRPC in it: nobody else includes it.
//
// gRPC calls on threads of its own, the server on the loop's. An operation is begun under the
// mutex: begun after Finish it would reach into what gRPC has let go of. gRPC never calls back from
// inside.

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "gateway.grpc.pb.h"
#include "live/fleet_link/server.h"
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

class Stream final : public Reactor {
 public:
  /// Called on gRPC's threads.
  struct Hooks {
    std::function<void(PeerId, wire::FromGateway)> read;
    std::function<void(PeerId)> written, done;
  };
  Stream(PeerId id, Hooks hooks) : id_(id), hooks_(std::move(hooks)) {}

  PeerId id() const { return id_; }
  void begin() { next(); }

  /// The next message may come.
  void next() {
    std::lock_guard lock(mutex_);
    if (!over_) StartRead(&in_);
  }
  bool send(wire::FromLeader message) {
    std::lock_guard lock(mutex_);
    if (over_ || writing_) return false;
    writing_ = true;
    out_ = std::move(message);
    StartWrite(&out_);
    return true;
  }
  void end(const Status& status) {
    std::lock_guard lock(mutex_);
    if (!std::exchange(over_, true)) Finish(status);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return end(Status::OK);
    hooks_.read(id_, std::move(in_));
  }
  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
    }
    if (!ok) return end({StatusCode::CANCELLED, "the gateway has left"});
    hooks_.written(id_);
  }
  void OnCancel() override { end({StatusCode::CANCELLED, "the gateway has left"}); }
  void OnDone() override { hooks_.done(id_); }  // and this may be no more

 private:
  const PeerId id_;
  const Hooks hooks_;
  wire::FromGateway in_;  ///< gRPC's between next() and OnReadDone
  std::mutex mutex_;      ///< over what follows; out_ is gRPC's while writing_
  bool writing_ = false, over_ = false;
  wire::FromLeader out_;
};

}  // namespace tidegate::live::link
