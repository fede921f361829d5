#include <fmt/format.h>

#include "cli/admin_client.h"
#include "cli/weights_words.h"
#include "format/exposition_writer.h"
#include "format/spec_yaml.h"
#include "live/kube/clusters.h"
#include "live/net/http_server.h"
#include "live/net/log.h"
#include "live/net/signals.h"
#include "live/operator/cluster_models.h"
#include "live/weights/keeper.h"
#include "live/weights/model_sources.h"

namespace tidegate::cli {
namespace {

namespace weights = live::weights;
namespace kube = live::kube;
using net::Level;

net::Level level_of(const std::string& text) {
  if (text == "debug") return Level::kDebug;
  if (text == "warn") return Level::kWarn;
  return text == "error" ? Level::kError : Level::kInfo;
}

/// /metrics, /healthz, and /readyz: whether all that is wanted is there.
void answer(const weights::Keeper& keeper, net::Exchange& exchange) {
  net::Headers headers;
  const std::string& path = exchange.request().path;
  if (path == "/metrics") {
    headers.add("Content-Type", std::string(format::kExpositionContentType));
    return exchange.respond(200, headers, keeper.metrics());
  }
  headers.add("Content-Type", "text/plain");
  if (path == "/healthz") return exchange.respond(200, headers, "ok\n");
  if (path == "/readyz") {
    return exchange.respond(keeper.complete() ? 200 : 503, headers,
                            keeper.complete() ? "ok\n" : "weights are being fetched\n");
  }
  exchange.respond(404, headers, "there are /metrics, /healthz and /readyz\n");
}

/// What one `keep` runs with, in the order it is taken down.
struct Keeping {
  std::unique_ptr<net::Loop> loop;
  std::unique_ptr<kube::Clusters> clusters;
  std::unique_ptr<weights::Keeper> keeper;
  std::unique_ptr<live::ClusterModels> models;
  std::unique_ptr<net::HttpServer> server;
  Duration every{0};
  std::string manifest_fault;  ///< said already
};

/// A manifest on this machine may change while it runs: a ConfigMap does. One that is bad changes
/// nothing. Of a URL the first reading counts: asking would hold the loop up.
void watch_manifest(Keeping& keeping, const std::string& manifest) {
  keeping.loop->after(keeping.every, [&keeping, manifest] {
    auto sets = wanted_of_manifest(manifest, {}, nullptr);
    const std::string fault = sets ? "" : sets.error().message;
    if (sets) keeping.keeper->want("manifest", std::move(*sets));
    if (!fault.empty() && fault != keeping.manifest_fault) {
      net::log(Level::kWarn, "the manifest is not taken; what was wanted stays",
               {{"error", fault}});
    }
    keeping.manifest_fault = fault;
    watch_manifest(keeping, manifest);
  });
}

std::unique_ptr<live::ClusterModels> follow(Keeping& keeping, const WeightsFlags& flags,
                                            const std::shared_ptr<kube::KubeClient>& client) {
  live::ClusterModelsOptions options{
      .namespaces = flags.namespaces, .trusted = flags.trust_models, .informer = {}};
  if (options.namespaces.empty() && !flags.all_namespaces) {
    options.namespaces.push_back(client->access().ns);
  }
  const auto rule = flags.trust_models ? weights::SourceRule::kAny : weights::SourceRule::kPublic;
  const auto changed = [&keeping, rule] {
    std::vector<const spec::Model*> models;
    for (const auto& [key, entry] : keeping.models->entries()) {
      if (entry.in_force) models.push_back(&entry.in_force->model);
    }
    keeping.keeper->want(
        "cluster",
        weights::sets_of(models, rule, [](const std::string& model, const std::string& why) {
          net::log(Level::kWarn, "weights are not kept", {{"model", model}, {"error", why}});
        }));
  };
  return std::make_unique<live::ClusterModels>(
      client, options,
      live::ClusterModelsHooks{.admit = [](format::LoadedModel&) { return Result<void>(); },
                               .changed = changed});
}

Result<void> open_keeper(Keeping& keeping, const WeightsFlags& flags) {
  auto folder = cache_folder(flags);
  auto cache_wish = cache_options(flags);
  auto settings = fetch_settings(flags);
  auto every = format::parse_duration(flags.every);
  if (!folder) return fail(folder.error());
  if (!cache_wish) return fail(cache_wish.error());
  if (!settings) return fail(settings.error());
  if (!every) return fail(every.error().within("--every " + flags.every));
  if (*every < seconds(1)) return fail("--every " + flags.every + ": at least 1s");
  auto cache = weights::Cache::open(*folder, *cache_wish);
  if (!cache) return fail(cache.error());
  std::shared_ptr<kube::KubeClient> client;
  if (flags.models_from_cluster || !flags.node.empty()) {
    auto found = keeping.clusters->client({flags.kubeconfig, flags.context});
    if (!found) return fail(found.error());
    client = *found;
  }
  std::unique_ptr<weights::NodeLabels> labels;
  if (!flags.node.empty()) labels = std::make_unique<weights::NodeLabels>(client, flags.node);
  const weights::KeepOptions options{.every = *every, .capacity = cache_wish->capacity};
  std::vector<weights::WantedSet> of_manifest;
  if (!flags.manifest.empty()) {
    auto sets = wanted_of_manifest(flags.manifest, settings->access, nullptr);
    if (!sets) return fail(sets.error());
    of_manifest = std::move(*sets);
  }
  keeping.keeper = std::make_unique<weights::Keeper>(*keeping.loop, std::move(*cache), *settings,
                                                     options, std::move(labels));
  keeping.every = *every;
  if (!of_manifest.empty()) {
    keeping.keeper->want("manifest", std::move(of_manifest));
    if (flags.manifest.find("://") == std::string::npos) watch_manifest(keeping, flags.manifest);
  }
  if (flags.models_from_cluster) keeping.models = follow(keeping, flags, client);
  return {};
}

Result<void> open_server(Keeping& keeping, const WeightsFlags& flags) {
  if (flags.metrics_address.empty()) return {};
  auto address = net::parse_address(flags.metrics_address);
  if (!address) return fail(address.error().within("--metrics-address"));
  keeping.server = std::make_unique<net::HttpServer>(
      *keeping.loop, net::Limits{.max_connections = 100},
      [&keeping](const net::ExchangePtr& exchange) { answer(*keeping.keeper, *exchange); });
  auto bound = keeping.server->listen(*address);
  if (!bound) return fail(bound.error().within("--metrics-address"));
  net::log(Level::kInfo, "metrics are served", {{"address", bound->text()}});
  return {};
}

}  // namespace

int weights_keep(const WeightsFlags& flags) {
  net::configure_log(level_of(flags.log_level),
                     flags.log_format == "json" ? net::LogFormat::kJson : net::LogFormat::kText);
  if (flags.manifest.empty() && !flags.models_from_cluster) {
    return report({"what to keep? give --manifest FILE or --models-from-cluster"});
  }
  auto loop = net::Loop::create();
  if (!loop) return report(loop.error());
  Keeping keeping{.loop = std::move(*loop)};
  keeping.clusters = std::make_unique<kube::Clusters>(*keeping.loop);
  // Before any thread: they inherit the mask.
  auto signals = net::Signals::create(*keeping.loop, [&keeping](int) {
    keeping.keeper->stop([&keeping] { keeping.loop->stop(); });
  });
  if (!signals) return report(signals.error());
  if (auto opened = open_keeper(keeping, flags); !opened) return report(opened.error());
  if (auto opened = open_server(keeping, flags); !opened) return report(opened.error());
  if (keeping.models != nullptr) keeping.models->start();
  keeping.keeper->start();
  keeping.loop->run();
  return 0;
}

}  // namespace tidegate::cli
