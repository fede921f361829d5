#include "live/keda/scaler.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <utility>

#include "live/keda/metric.h"
#include "live/keda/streams.h"
#include "live/rpc/grpc_log.h"
#include "live/rpc/server_credentials.h"

namespace tidegate::live::keda {
namespace {

/// A peer that is gone without a word is noticed after both.
constexpr int kPingMillis = 30'000, kPingPatienceMillis = 10'000;

std::string metadata(const wire::ScaledObjectRef& ref, const std::string& key) {
  auto it = ref.scalermetadata().find(key);
  return it == ref.scalermetadata().end() ? std::string() : it->second;
}

Result<Name> name_of(const wire::ScaledObjectRef& ref) {
  Name name{metadata(ref, "model"), metadata(ref, "variant"), ref.namespace_()};
  if (!name.model.empty()) return name;
  return fail(
      "the trigger's metadata names no model: add model: NAME (metadata.name of the Model), and "
      "variant: NAME where it has several");
}

// ---- calls ----

class Service final : public wire::ExternalScaler::CallbackService {
 public:
  Service(const NumberBoard& board, Tally& tally, std::size_t max_streams)
      : board_(board), tally_(tally), streams_(board, tally, max_streams) {}

  Streams& streams() { return streams_; }

  grpc::ServerUnaryReactor* IsActive(grpc::CallbackServerContext* context,
                                     const wire::ScaledObjectRef* ref,
                                     wire::IsActiveResponse* response) override {
    return answer(context, *ref, [&](const Found& found) {
      if (found.missing != Missing::kNothing) return status_of(found);
      response->set_result(found.number.replicas > Replicas(0));
      return Status::OK;
    });
  }

  grpc::ServerUnaryReactor* GetMetricSpec(grpc::CallbackServerContext* context,
                                          const wire::ScaledObjectRef* ref,
                                          wire::GetMetricSpecResponse* response) override {
    return answer(context, *ref, [&](const Found& found) {
      // An HPA that is made without a spec looks at CPU: it is told as soon as the variant is
      // known.
      if (found.number.variant.empty()) {
        return status_of(found);
      }
      auto* spec = response->add_metricspecs();
      spec->set_metricname(std::string(kMetricName));
      spec->set_targetsize(kMetricTarget);
      spec->set_targetsizefloat(static_cast<double>(kMetricTarget));
      return Status::OK;
    });
  }

  grpc::ServerUnaryReactor* GetMetrics(grpc::CallbackServerContext* context,
                                       const wire::GetMetricsRequest* request,
                                       wire::GetMetricsResponse* response) override {
    return answer(context, request->scaledobjectref(), [&](const Found& found) {
      if (found.missing != Missing::kNothing) return status_of(found);
      if (request->metricname() != kMetricName) {
        return Status(StatusCode::NOT_FOUND, fmt::format("no metric \"{:.80}\"; there is: {}",
                                                         request->metricname(), kMetricName));
      }
      auto* value = response->add_metricvalues();
      value->set_metricname(std::string(kMetricName));
      value->set_metricvalue(found.number.replicas.value());
      value->set_metricvaluefloat(metric_total(found.number));
      return Status::OK;
    });
  }

  grpc::ServerWriteReactor<wire::IsActiveResponse>* StreamIsActive(
      grpc::CallbackServerContext*, const wire::ScaledObjectRef* ref) override {
    auto name = name_of(*ref);
    if (name) return streams_.open(std::move(*name));
    ++tally_.refused;
    return new Refusal({StatusCode::INVALID_ARGUMENT, name.error().message});
  }

 private:
  template <typename Fill>
  grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context,
                                   const wire::ScaledObjectRef& ref, const Fill& fill) {
    ++tally_.calls;
    auto name = name_of(ref);
    const Status status = name ? fill(board_.find(name->model, name->variant, name->ns))
                               : Status(StatusCode::INVALID_ARGUMENT, name.error().message);
    if (!status.ok()) ++tally_.refused;
    auto* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }

  const NumberBoard& board_;
  Tally& tally_;
  Streams streams_;
};

// ---- the server ----

void set_limits(grpc::ServerBuilder& builder, std::size_t max_streams) {
  grpc::ResourceQuota quota("tidegate-keda");
  quota.Resize(Scaler::kMaxMemoryBytes);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(Scaler::kMaxMessageBytes);
  builder.SetMaxSendMessageSize(Scaler::kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, Scaler::kMaxMetadataBytes);
  // Streams are counted by us: at gRPC's own limit they would hold up the calls behind them.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(max_streams) + Scaler::kMaxCallsBesideStreams);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two on one port is a mistake
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMillis);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingPatienceMillis);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

}  // namespace

struct Scaler::State {
  NumberBoard& board;
  ScalerOptions options;
  net::Address bound;  ///< options.listen with the port there is
  Tally tally;
  std::unique_ptr<Service> service;
  std::unique_ptr<grpc::Server> server;  ///< null while stopped
};

Scaler::Scaler(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Scaler>> Scaler::create(NumberBoard& board, ScalerOptions options) {
  rpc::log_grpc_with_ours();
  const net::Address address = options.listen;
  std::unique_ptr<Scaler> scaler(
      new Scaler(std::unique_ptr<State>(new State{board, std::move(options), address})));
  if (auto listens = scaler->listen(); !listens) return fail(listens.error());
  return scaler;
}

Result<void> Scaler::listen() {
  State& s = *state_;
  if (s.server != nullptr) return {};
  if (auto usable = rpc::check(s.options.tls, "--keda-tls"); !usable) return usable;
  if (auto free = rpc::can_listen(s.bound); !free) return free;
  s.service = std::make_unique<Service>(s.board, s.tally, s.options.max_streams);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(s.bound.text(), rpc::server_credentials(s.options.tls), &port);
  builder.RegisterService(s.service.get());
  set_limits(builder, s.options.max_streams);
  s.server = builder.BuildAndStart();
  if (s.server == nullptr || port == 0) {
    s.server.reset();
    return fail(fmt::format("cannot listen on {}", s.bound.text()));
  }
  s.bound.port = static_cast<std::uint16_t>(port);
  s.board.on_change([&s](const std::string& model) { s.service->streams().changed(model); });
  return {};
}

Scaler::~Scaler() { shutdown(); }

net::Address Scaler::address() const { return state_->bound; }

bool Scaler::tls() const { return !state_->options.tls.certificate_file.empty(); }

bool Scaler::listening() const { return state_->server != nullptr; }

ScalerCounts Scaler::counts() const {
  const Tally& t = state_->tally;
  return {t.streams, t.pushes, t.calls, t.refused};
}

void Scaler::shutdown() {
  if (!listening()) return;
  state_->board.on_change({});
  state_->service->streams().close();
  state_->server->Shutdown(gpr_time_from_nanos(kShutdownPatience.count(), GPR_TIMESPAN));
  state_->server.reset();
}

}  // namespace tidegate::live::keda
