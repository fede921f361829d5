#pragma once
// One attempt of the client: a channel and its stream. A part of client.cc, with gRPC in it: nobody
// else includes it. gRPC calls on threads of its own. None of them may drop the last reference: the
// last channel of a process takes gRPC's callback threads down with it, and one of them would wait
// for itself. So OnDone hands the attempt to its hook, and the loop's thread lets go of it.

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "gateway.grpc.pb.h"
#include "live/fleet_link/client.h"
#include "live/fleet_link/token.h"
#include "live/fleet_link/turns.h"
#include "live/fleet_link/wire.h"

namespace tidegate::live::link {

class Attempt final : public Turns<grpc::ClientBidiReactor<wire::FromGateway, wire::FromLeader>,
                                   wire::FromLeader, wire::FromGateway>,
                      public std::enable_shared_from_this<Attempt> {
 public:
  /// Called on gRPC's threads.
  struct Hooks {
    std::function<void(const std::shared_ptr<Attempt>&, wire::FromLeader)> read;
    std::function<void(const std::shared_ptr<Attempt>&)> written;
    std::function<void(std::shared_ptr<Attempt>, grpc::Status)> done;
  };

  struct Place {
    net::Address address;  ///< numeric
    std::string name;      ///< that its certificate must stand for
  };

  Attempt(const Place& place, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
          const std::string& token, Hooks hooks)
      : place_(place), hooks_(std::move(hooks)) {
    grpc::ChannelArguments args;
    // A pause is ours to choose, each time anew.
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 5'000);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
    args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    args.SetMaxReceiveMessageSize(kMaxMessageBytes);
    args.SetMaxSendMessageSize(kMaxMessageBytes);
    if (!place.name.empty()) args.SetSslTargetNameOverride(place.name);
    channel_ = grpc::CreateCustomChannel(address().text(), credentials, args);
    stub_ = wire::GatewayLink::NewStub(channel_);
    if (!token.empty()) context_.AddMetadata("authorization", authorization_of(token));
  }

  void begin(const Hello& hello) {
    self_ = shared_from_this();
    stub_->async()->Follow(&context_, this);
    AddHold();  // operations come from the loop's thread, too
    send(to_wire(hello));
    next();
    StartCall();
  }
  const Place& place() const { return place_; }
  const net::Address& address() const { return place_.address; }

  /// OnDone follows.
  void end() {
    if (!let_go()) return;
    context_.TryCancel();
    RemoveHold();
  }
  void wait_done() {
    std::unique_lock lock(finished_->mutex);
    finished_->wake.wait(lock, [this] { return finished_->done; });
  }

  void OnReadDone(bool ok) override {
    if (ok) return hooks_.read(shared_from_this(), std::move(in_));
    // The other side has ended it: why is in the status to come, which a cancel would hide.
    if (let_go()) RemoveHold();
  }
  /// Where it fails the other side has ended it, and no more is written. What it said before is
  /// read yet: gRPC tells no status while a message lies unread.
  void OnWriteDone(bool ok) override {
    if (!ok) return;
    written();
    hooks_.written(shared_from_this());
  }
  void OnDone(const grpc::Status& status) override {
    const auto finished = finished_;  // this may be no more once the hook has it
    const auto done = hooks_.done;
    done(std::move(self_), status);
    std::lock_guard lock(finished->mutex);
    finished->done = true;
    finished->wake.notify_all();
  }

 private:
  struct Finished {
    std::mutex mutex;
    std::condition_variable wake;
    bool done = false;
  };

  const Place place_;
  const Hooks hooks_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<wire::GatewayLink::Stub> stub_;
  grpc::ClientContext context_;
  std::shared_ptr<Attempt> self_;  ///< until OnDone
  const std::shared_ptr<Finished> finished_ = std::make_shared<Finished>();
};

}  // namespace tidegate::live::link
