#include "live/run/external_metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/signal/observation.h"
#include "live/external_metrics/own_certificate.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

namespace em = external_metrics;
constexpr const char* kService = "externalMetrics";  ///< in the Lease's notice

/// Models of several namespaces are named NAMESPACE/NAME; the path names the namespace already.
std::string model_label(const std::string& model, std::string_view ns) {
  std::string_view name = model;
  if (name.starts_with(ns) && name.substr(ns.size()).starts_with('/')) {
    name.remove_prefix(ns.size() + 1);
  }
  return em::label_value(name);
}

Result<em::ServiceName> service_of(const em::Options& options, const std::string& own_namespace) {
  em::ServiceName out{own_namespace, options.service, 443, options.registration};
  if (auto slash = options.service.find('/'); slash != std::string::npos) {
    out.ns = options.service.substr(0, slash);
    out.name = options.service.substr(slash + 1);
  }
  if (out.ns.empty() || out.name.empty() || out.name.find('/') != std::string::npos) {
    return fail(
        fmt::format("--external-metrics-service \"{}\": NAME or NAMESPACE/NAME", options.service));
  }
  return out;
}

Result<std::shared_ptr<net::TlsServer>> open_tls(const em::Options& options,
                                                 const em::ServiceName& service,
                                                 const std::string& state_dir) {
  net::TlsOptions tls;
  tls.ask = net::AskClient::kForCertificate;
  tls.certificate_file = options.certificate_file;
  tls.key_file = options.key_file;
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    return fail("--external-metrics-cert and --external-metrics-key go together");
  }
  if (tls.certificate_file.empty()) {
    auto made = em::own_certificate(state_dir + "/external-metrics",
                                    em::names_of_service(service.ns, service.name),
                                    net::WorldClock::wall_now());
    if (!made) return fail(made.error());
    tls.certificate_file = made->certificate;
    tls.key_file = made->key;
    net::log(net::Level::kInfo, "external metrics: a certificate of our own",
             {{"caBundle", "base64 -w0 " + made->certificate}});
  }
  return net::TlsServer::create(std::move(tls));
}

}  // namespace

Result<std::unique_ptr<ExternalMetrics>> ExternalMetrics::open(const ExternalMetricsWorld& world,
                                                               const em::Options& options,
                                                               const std::string& state_dir) {
  std::unique_ptr<ExternalMetrics> out(new ExternalMetrics(world));
  if (auto done = out->start(options, state_dir); !done) {
    return fail(done.error().within("external metrics"));
  }
  return out;
}

Result<void> ExternalMetrics::start(const em::Options& options, const std::string& state_dir) {
  auto client = world_.clusters.client({});
  if (!client) return fail(client.error());
  own_namespace_ = (*client)->access().ns;
  auto service = service_of(options, own_namespace_);
  if (!service) return fail(service.error());
  auto tls = open_tls(options, *service, state_dir);
  if (!tls) return fail(tls.error());
  server_ = std::make_unique<em::Server>(
      world_.loop, *client,
      [this](std::string_view metric, std::string_view ns) { return samples(metric, ns); },
      leadership());
  auto bound = server_->listen(options.listen, *tls);
  if (!bound) return fail(bound.error());
  address_ = *bound;
  if (world_.notice != nullptr) {
    auto told = world_.notice->tell(kService, address_, service->name + "." + service->ns + ".svc",
                                    [tls = *tls] { return tls->certificate_pem(); });
    if (!told) return told;
  }
  // The certificate itself: an API server takes any certificate of the bundle for an anchor.
  registration_ = std::make_unique<em::Registration>(
      *client, std::move(*service),
      [this, tls = *tls] { return leads() ? tls->certificate_pem() : ""; });
  return {};
}

em::Leadership ExternalMetrics::leadership() const {
  return {.ours = [this] { return leads(); },
          .leader = [this]() -> std::optional<em::Leader> { return world_.notice->of(kService); }};
}

const std::string& ExternalMetrics::namespace_of(const spec::Variant& variant) const {
  const auto* target = std::get_if<spec::KubernetesTarget>(&variant.target);
  return target == nullptr ? own_namespace_ : target->ns;
}

bool ExternalMetrics::lives_in(const ModelRun& model, std::string_view ns) const {
  const auto& variants = model.model().variants;
  return std::any_of(variants.begin(), variants.end(),
                     [&](const auto& variant) { return namespace_of(variant) == ns; });
}

em::Samples ExternalMetrics::samples(std::string_view metric, std::string_view ns) const {
  em::Samples out;
  for (const auto& model : world_.models) {
    if (metric == em::kDesiredReplicas || metric == em::kWvaDesiredReplicas) {
      for (const auto& variant : model->model().variants) {
        if (namespace_of(variant) == ns) desired(*model, variant, metric, out);
      }
    } else if (!lives_in(*model, ns)) {
      continue;
    } else if (metric == em::kWaitingRequests) {
      const signal::Signal waiting = signal::waiting_requests(model->last_observation());
      if (!waiting.complete()) continue;
      out.push_back({{{"model", model_label(model->name(), ns)}}, waiting.value});
    } else {
      const signal::Demand demand = world_.gateway.demand(model->name());
      out.push_back(
          {{{"model", model_label(model->name(), ns)}}, static_cast<double>(demand.queued_tokens)});
    }
  }
  return out;
}

void ExternalMetrics::desired(const ModelRun& model, const spec::Variant& variant,
                              std::string_view metric, em::Samples& out) const {
  const auto* target = std::get_if<spec::KubernetesTarget>(&variant.target);
  if (metric == em::kWvaDesiredReplicas && target == nullptr) return;
  const keda::Found found = numbers_.told(model.name(), variant.name);
  const bool itself = found.missing == keda::Missing::kWritesItself;
  if (found.missing != keda::Missing::kNothing && !itself) return;
  const std::string& ns = namespace_of(variant);
  em::Sample sample;
  if (metric == em::kDesiredReplicas) {
    sample.labels = {{"model", model_label(model.name(), ns)},
                     {"variant", em::label_value(variant.name)}};
  } else {
    sample.labels = {{"variant_name", em::label_value(target->name)},
                     {"namespace", ns},
                     {"exported_namespace", ns}};
  }
  sample.value = static_cast<double>(found.number.replicas.value());
  if (itself) {
    sample.withheld = fmt::format(
        "Tidegate writes the replicas of {}/{} itself, and two writers would fight: set "
        "scaling.mode: observe in the Model, or delete the HPA",
        model.name(), variant.name);
  }
  out.push_back(std::move(sample));
}

}  // namespace tidegate::live
