#include "live/keda/scaler.h"

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <atomic>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "externalscaler.grpc.pb.h"
#include "live/keda/metric.h"
#include "live/keda/probe.h"
#include "live/net/log.h"

namespace tidegate::live::keda {
namespace {

namespace wire = externalscaler;
using grpc::Status;
using grpc::StatusCode;

constexpr unsigned kCertificateReloadSeconds = 60;
/// A peer that is gone without a word is noticed after both.
constexpr int kPingMillis = 30'000, kPingPatienceMillis = 10'000;

StatusCode code_of(Missing missing) {
  switch (missing) {
    case Missing::kNothing:
      return StatusCode::OK;
    case Missing::kNotReady:
    case Missing::kNotLeader:
      return StatusCode::UNAVAILABLE;
    case Missing::kNoSuchName:
      return StatusCode::NOT_FOUND;
    case Missing::kWhich:
      return StatusCode::INVALID_ARGUMENT;
    case Missing::kWritesItself:
      return StatusCode::FAILED_PRECONDITION;
  }
  return StatusCode::INTERNAL;
}

Status status_of(const Found& found) { return {code_of(found.missing), found.why}; }

std::string metadata(const wire::ScaledObjectRef& ref, const std::string& key) {
  auto it = ref.scalermetadata().find(key);
  return it == ref.scalermetadata().end() ? std::string() : it->second;
}

/// Whose number is asked for.
struct Name {
  std::string model, variant;
};

Result<Name> name_of(const wire::ScaledObjectRef& ref) {
  Name name{metadata(ref, "model"), metadata(ref, "variant")};
  if (!name.model.empty()) return name;
  return fail(
      "the trigger's metadata names no model: add model: NAME (metadata.name of the Model), and "
      "variant: NAME where it has several");
}

/// Counts that threads share.
struct Tally {
  std::atomic<std::int64_t> streams{0}, pushes{0}, calls{0}, refused{0};
};

// ---- streams ----

class Streams;

/// One StreamIsActive. gRPC calls it on threads of its own, the board's publisher on the loop's:
/// what happens next is decided under the mutex, and done outside of it.
class Stream final : public grpc::ServerWriteReactor<wire::IsActiveResponse> {
 public:
  Stream(const NumberBoard& board, Tally& tally, Name name, Streams& owner)
      : board_(board), tally_(tally), name_(std::move(name)), owner_(owner) {}

  const std::string& model() const { return name_.model; }

  /// Tells what the board says now, where that is news.
  void look() { step(std::nullopt); }
  void end(Status status) { step(std::move(status)); }

  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
    }
    step(ok ? std::nullopt : std::optional(Status(StatusCode::CANCELLED, "the caller has left")));
  }
  void OnCancel() override { end({StatusCode::CANCELLED, "the caller has left"}); }
  void OnDone() override;

 private:
  void step(std::optional<Status> ended) {
    std::unique_lock lock(mutex_);
    if (ended && !end_) end_ = std::move(ended);
    if (writing_ || over_) return;
    if (!end_) {
      const Found found = board_.find(name_.model, name_.variant);
      if (found.missing == Missing::kNotReady) return;  // it will be told
      if (found.missing != Missing::kNothing) {
        end_ = status_of(found);
        ++tally_.refused;
      } else if (const bool active = found.number.replicas > Replicas(0); active != told_) {
        told_ = active;
        response_.set_result(active);
        writing_ = true;
        ++tally_.pushes;
        lock.unlock();
        StartWrite(&response_);
        return;
      } else {
        return;
      }
    }
    over_ = true;
    lock.unlock();
    Finish(*end_);
  }

  const NumberBoard& board_;
  Tally& tally_;
  const Name name_;
  Streams& owner_;
  std::mutex mutex_;  ///< over what follows; response_ is gRPC's while writing_
  bool writing_ = false, over_ = false;
  std::optional<bool> told_;
  std::optional<Status> end_;  ///< set once; untouched after over_
  wire::IsActiveResponse response_;
};

/// Nothing but a refusal.
class Refusal final : public grpc::ServerWriteReactor<wire::IsActiveResponse> {
 public:
  explicit Refusal(const Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

class Streams {
 public:
  Streams(const NumberBoard& board, Tally& tally, std::size_t most)
      : board_(board), tally_(tally), most_(most) {}

  grpc::ServerWriteReactor<wire::IsActiveResponse>* open(Name name) {
    auto stream = std::make_shared<Stream>(board_, tally_, std::move(name), *this);
    {
      std::lock_guard lock(mutex_);
      if (closing_) return refuse({StatusCode::UNAVAILABLE, "Tidegate stops"});
      if (count_ >= most_) {
        return refuse({StatusCode::RESOURCE_EXHAUSTED,
                       fmt::format("{} streams are open, as many as there may be", count_)});
      }
      ++count_;
      ++tally_.streams;
      by_model_[stream->model()].insert(stream);
    }
    stream->look();  // after it can be found: a number published in between is not missed
    return stream.get();
  }

  void changed(const std::string& model) {
    for (const auto& stream : of(model.empty() ? nullptr : &model)) stream->look();
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    for (const auto& stream : of(nullptr)) stream->end(Status::OK);
  }

  void forget(Stream* gone) {
    std::shared_ptr<Stream> last;  // outlives the lock
    std::lock_guard lock(mutex_);
    auto model = by_model_.find(gone->model());
    for (auto it = model->second.begin(); it != model->second.end(); ++it) {
      if (it->get() != gone) continue;
      last = *it;
      model->second.erase(it);
      break;
    }
    if (model->second.empty()) by_model_.erase(model);
    --count_;
    --tally_.streams;
  }

 private:
  using Set = std::set<std::shared_ptr<Stream>>;

  grpc::ServerWriteReactor<wire::IsActiveResponse>* refuse(const Status& status) {
    ++tally_.refused;
    return new Refusal(status);
  }

  /// Of one model, or all.
  std::vector<std::shared_ptr<Stream>> of(const std::string* model) {
    std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Stream>> out;
    for (const auto& [name, streams] : by_model_) {
      if (model == nullptr || name == *model) out.insert(out.end(), streams.begin(), streams.end());
    }
    return out;
  }

  const NumberBoard& board_;
  Tally& tally_;
  const std::size_t most_;
  std::mutex mutex_;  ///< over what follows
  std::map<std::string, Set> by_model_;
  std::size_t count_ = 0;
  bool closing_ = false;
};

void Stream::OnDone() { owner_.forget(this); }  // and this is no more

// ---- calls ----

class Service final : public wire::ExternalScaler::CallbackService {
 public:
  Service(const NumberBoard& board, std::size_t max_streams)
      : board_(board), streams_(board, tally_, max_streams) {}

  Tally& tally() { return tally_; }
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
    const Status status = name ? fill(board_.find(name->model, name->variant))
                               : Status(StatusCode::INVALID_ARGUMENT, name.error().message);
    if (!status.ok()) ++tally_.refused;
    auto* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }

  const NumberBoard& board_;
  Tally tally_;
  Streams streams_;
};

// ---- the server ----

/// gRPC's own words go where ours go.
void log_line(gpr_log_func_args* line) {
  net::log(line->severity == GPR_LOG_SEVERITY_ERROR ? net::Level::kWarn : net::Level::kDebug,
           "grpc", {{"detail", line->message}});
}

std::shared_ptr<grpc::ServerCredentials> credentials(const ScalerTls& tls) {
  if (tls.certificate_file.empty()) return grpc::InsecureServerCredentials();
  namespace x = grpc::experimental;
  x::TlsServerCredentialsOptions options(std::make_shared<x::FileWatcherCertificateProvider>(
      tls.key_file, tls.certificate_file, tls.client_ca_file, kCertificateReloadSeconds));
  options.watch_identity_key_cert_pairs();
  if (!tls.client_ca_file.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return x::TlsServerCredentials(options);
}

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
  State(NumberBoard& b, ScalerOptions o)
      : board(b), options(std::move(o)), service(board, options.max_streams) {}

  NumberBoard& board;
  ScalerOptions options;
  Service service;
  std::unique_ptr<grpc::Server> server;  ///< null once stopped
  net::Address bound;
};

Scaler::Scaler(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Scaler>> Scaler::create(NumberBoard& board, ScalerOptions options) {
  if (auto usable = probe(options.listen, options.tls); !usable) return fail(usable.error());
  gpr_set_log_function(log_line);
  auto state = std::make_unique<State>(board, std::move(options));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(state->options.listen.text(), credentials(state->options.tls), &port);
  builder.RegisterService(&state->service);
  set_limits(builder, state->options.max_streams);
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || port == 0) {
    return fail(fmt::format("cannot listen on {}", state->options.listen.text()));
  }
  state->bound = {state->options.listen.host, static_cast<std::uint16_t>(port)};
  board.on_change(
      [s = state.get()](const std::string& model) { s->service.streams().changed(model); });
  return std::unique_ptr<Scaler>(new Scaler(std::move(state)));
}

Scaler::~Scaler() { shutdown(); }

net::Address Scaler::address() const { return state_->bound; }

bool Scaler::tls() const { return !state_->options.tls.certificate_file.empty(); }

ScalerCounts Scaler::counts() const {
  const Tally& t = state_->service.tally();
  return {t.streams, t.pushes, t.calls, t.refused};
}

void Scaler::shutdown() {
  if (state_->server == nullptr) return;
  state_->board.on_change({});
  state_->service.streams().close();
  state_->server->Shutdown(gpr_time_from_nanos(kShutdownPatience.count(), GPR_TIMESPAN));
  state_->server.reset();
}

}  // namespace tidegate::live::keda
