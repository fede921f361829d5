#include "live/fleet_link/server.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <map>
#include <set>
#include <string_view>

#include "live/fleet_link/server_stream.h"
#include "live/fleet_link/token.h"
#include "live/net/log.h"
#include "live/rpc/grpc_log.h"
#include "live/rpc/server_credentials.h"

namespace tidegate::live::link {
namespace {

/// A peer that is gone without a word is noticed after both.
constexpr int kPingMillis = 5'000, kPingPatienceMillis = 5'000;
constexpr int kMaxMetadataBytes = 16 * 1024;

void set_limits(grpc::ServerBuilder& builder, std::size_t max_streams) {
  grpc::ResourceQuota quota("tidegate-gateways");
  quota.Resize(Server::kMaxMemoryBytes);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  // Streams are counted by us, and refused with a reason.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(max_streams) + 64);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two on one port is a mistake
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMillis);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingPatienceMillis);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000);
}

}  // namespace

/// Shared with gRPC's threads: they meet the loop here, by post().
struct Server::State final : wire::GatewayLink::CallbackService,
                             std::enable_shared_from_this<Server::State> {
  State(net::Loop& its_loop, ServerOptions its_options, ServerHooks its_hooks)
      : loop(its_loop), options(std::move(its_options)), hooks(std::move(its_hooks)) {}

  Reactor* Follow(grpc::CallbackServerContext* context) override;
  Status admit(const grpc::CallbackServerContext& context) const;
  void post(std::function<void(State&)> what);
  void heard(PeerId id, const wire::FromGateway& message);
  void greet(Stream& stream, const wire::FromGateway& message);
  void forget(PeerId id);
  std::shared_ptr<Stream> find(PeerId id);
  void end_all(const Status& status);

  net::Loop& loop;
  const ServerOptions options;
  const ServerHooks hooks;
  net::Address bound;
  std::unique_ptr<grpc::Server> server;
  std::set<PeerId> open;  ///< said hello; the loop's
  bool stopped = false;   ///< no hook any more; the loop's

  std::mutex mutex;  ///< over what follows
  bool leads = false;
  std::string leader;
  std::uint64_t last_id = 0;
  std::map<PeerId, std::shared_ptr<Stream>> streams;
};

void Server::State::post(std::function<void(State&)> what) {
  loop.post([weak = weak_from_this(), what = std::move(what)] {
    if (auto state = weak.lock(); state != nullptr && !state->stopped) what(*state);
  });
}

Status Server::State::admit(const grpc::CallbackServerContext& context) const {
  std::string_view shown;
  if (auto it = context.client_metadata().find("authorization");
      it != context.client_metadata().end()) {
    shown = {it->second.data(), it->second.size()};
  }
  if (!options.token.empty() && !shows_token(shown, options.token)) {
    return {StatusCode::UNAUTHENTICATED,
            shown.empty() ? "a token is asked for: --gateway-token-file"
                          : "another token: --gateway-token-file differs from the leader's"};
  }
  if (!leads) {
    return {StatusCode::FAILED_PRECONDITION,
            "this controller does not lead" +
                (leader.empty() ? std::string("; nobody is known to") : "; " + leader + " does")};
  }
  if (streams.size() >= options.max_streams) {
    return {StatusCode::RESOURCE_EXHAUSTED,
            fmt::format("{} gateways are here, as many as there may be", streams.size())};
  }
  return Status::OK;
}

Reactor* Server::State::Follow(grpc::CallbackServerContext* context) {
  std::shared_ptr<Stream> stream;
  {
    std::lock_guard lock(mutex);
    if (Status admitted = admit(*context); !admitted.ok()) return new Refusal(admitted);
    auto to_loop = [weak = weak_from_this()](auto what) {
      if (auto state = weak.lock()) state->post(std::move(what));
    };
    stream = std::make_shared<Stream>(
        PeerId(++last_id),
        Stream::Hooks{.read =
                          [to_loop](PeerId id, wire::FromGateway message) {
                            to_loop([id, message = std::move(message)](State& s) {
                              s.heard(id, message);
                            });
                          },
                      .written =
                          [to_loop](PeerId id) {
                            to_loop([id](State& s) {
                              if (s.open.contains(id)) s.hooks.writable(id);
                            });
                          },
                      .done =
                          [weak = weak_from_this(), to_loop](PeerId id) {
                            std::shared_ptr<Stream> last;  // outlives the lock
                            if (auto state = weak.lock()) {
                              std::lock_guard forgetting(state->mutex);
                              if (auto it = state->streams.find(id); it != state->streams.end()) {
                                last = std::move(it->second);
                                state->streams.erase(it);
                              }
                            }
                            to_loop([id](State& s) { s.forget(id); });
                          }});
    streams[stream->id()] = stream;
  }
  stream->begin();
  return stream.get();
}

std::shared_ptr<Stream> Server::State::find(PeerId id) {
  std::lock_guard lock(mutex);
  auto it = streams.find(id);
  return it == streams.end() ? nullptr : it->second;
}

/// The next message is read when this one has been taken: one is in the house at a time.
void Server::State::heard(PeerId id, const wire::FromGateway& message) {
  std::shared_ptr<Stream> stream = find(id);
  if (stream == nullptr) return;
  if (open.contains(id)) {
    hooks.report(id, report_of(message));
  } else {
    greet(*stream, message);
  }
  stream->next();
}

void Server::State::greet(Stream& stream, const wire::FromGateway& message) {
  const Hello hello = hello_of(message.hello());
  if (!message.has_hello() || hello.incarnation == 0 || hello.name.empty()) {
    return stream.end({StatusCode::INVALID_ARGUMENT, "the first message is no hello"});
  }
  if (hello.protocol != kProtocol) {
    return stream.end(
        {StatusCode::FAILED_PRECONDITION,
         fmt::format("the gateway ({}) speaks protocol {}, this leader ({}) speaks {}: "
                     "let both be of one release",
                     hello.version, hello.protocol, TIDEGATE_VERSION, kProtocol)});
  }
  open.insert(stream.id());
  hooks.opened(stream.id(), hello);
}

void Server::State::forget(PeerId id) {
  if (open.erase(id) > 0) hooks.closed(id);
}

void Server::State::end_all(const Status& status) {
  std::vector<std::shared_ptr<Stream>> all;
  {
    std::lock_guard lock(mutex);
    for (const auto& [id, stream] : streams) all.push_back(stream);
  }
  for (const auto& stream : all) stream->end(status);
}

Server::Server(std::shared_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() { shutdown(); }

Result<std::unique_ptr<Server>> Server::create(net::Loop& loop, ServerOptions options,
                                               ServerHooks hooks) {
  rpc::log_grpc_with_ours();
  if (auto usable = rpc::check(options.tls, "--gateway-tls"); !usable) return fail(usable.error());
  if (auto free = rpc::can_listen(options.listen); !free) return fail(free.error());
  auto state = std::make_shared<State>(loop, std::move(options), std::move(hooks));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(state->options.listen.text(),
                           rpc::server_credentials(state->options.tls), &port);
  builder.RegisterService(state.get());
  set_limits(builder, state->options.max_streams);
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || port == 0) {
    return fail(fmt::format("cannot listen on {}", state->options.listen.text()));
  }
  state->bound = {state->options.listen.host, static_cast<std::uint16_t>(port)};
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

net::Address Server::address() const { return state_->bound; }

void Server::lead(const std::string& name) {
  std::lock_guard lock(state_->mutex);
  state_->leads = true;
  state_->leader = name;
}

void Server::follow(const std::string& leader) {
  {
    std::lock_guard lock(state_->mutex);
    state_->leads = false;
    state_->leader = leader;
  }
  state_->end_all({StatusCode::FAILED_PRECONDITION, "this controller leads no longer"});
}

bool Server::send(PeerId peer, const News& news) {
  if (!state_->open.contains(peer)) return false;
  auto stream = state_->find(peer);
  return stream != nullptr && stream->send(to_wire(news));
}

void Server::close(PeerId peer, const std::string& why) {
  if (auto stream = state_->find(peer)) stream->end({StatusCode::ABORTED, why});
}

void Server::shutdown() {
  State& s = *state_;
  if (s.server == nullptr) return;
  s.stopped = true;
  s.end_all({StatusCode::UNAVAILABLE, "the controller stops"});
  s.server->Shutdown(gpr_time_from_nanos(kShutdownPatience.count(), GPR_TIMESPAN));
  s.server.reset();
}

}  // namespace tidegate::live::link
