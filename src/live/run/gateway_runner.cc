#include "live/run/gateway_runner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "live/net/log.h"
#include "live/run/gateway_listen.h"
#include "live/run/models_in_force.h"

namespace tidegate::live {

using net::Level;

namespace {

constexpr Duration kWatchPeriod = seconds(1);
constexpr std::string_view kAskController =
    "this process is a gateway (--role gateway): ask the controller that leads";

}  // namespace

GatewayRunner::GatewayRunner(net::Loop& loop, RunOptions options)
    : loop_(loop), options_(std::move(options)), clock_(options_.time_scale) {}

GatewayRunner::~GatewayRunner() { loop_.cancel(watch_timer_); }

Result<std::unique_ptr<GatewayRunner>> GatewayRunner::create(net::Loop& loop, RunOptions options) {
  std::unique_ptr<GatewayRunner> runner(new GatewayRunner(loop, std::move(options)));
  if (auto opened = runner->open(); !opened) return fail(opened.error());
  return runner;
}

Result<void> GatewayRunner::open() {
  files_ = std::make_unique<SpecFiles>(options_.files, options_.profile_dirs);
  auto loaded = files_->read();
  if (!loaded) return fail(loaded.error());
  files_->take(std::move(*loaded));
  std::error_code error;
  std::filesystem::create_directories(options_.state_dir, error);
  if (error) {
    return fail(fmt::format("state directory {}: {}", options_.state_dir, error.message()));
  }
  client_ = std::make_unique<net::HttpClient>(loop_);
  clusters_ = std::make_unique<kube::Clusters>(loop_);
  gateway_ = std::make_unique<Gateway>(loop_, *client_, clock_,
                                       GatewayOptions{.drain_delay = options_.drain_delay});
  if (options_.cluster) {
    if (auto done = open_cluster(); !done) return done;
  }
  take_models();
  auto bound = listen(*gateway_, options_);
  if (!bound) return fail(bound.error());
  gateway_address_ = *bound;
  if (auto done = open_follower(); !done) return done;
  if (auto done = open_admin(); !done) return done;
  write_run_file();
  return {};
}

Result<void> GatewayRunner::open_cluster() {
  auto client = cluster_client(*clusters_, options_);
  if (!client) return fail(client.error());
  cluster_models_ = follow_models(*client, options_, [this] { take_models(); });
  return cluster_models_->claim_for_files(files_->models());
}

Result<void> GatewayRunner::open_follower() {
  follower_ = std::make_unique<link::Follower>(loop_, clock_, *gateway_,
                                               follower_options(options_, gateway_address_));
  follower_->set_models(models_);
  slices_ = std::make_unique<EndpointSlices>(
      loop_, *clusters_,
      [this](const std::string& model, std::int32_t variant, const link::EngineSight& sight) {
        follower_->seen(model, variant, sight);
      });
  slices_->follow(models_);
  gateway_->on_routed([this](const std::string& model, const route::Event& event, Instant,
                             const std::vector<route::Action>& actions) {
    if (actions.empty() && std::holds_alternative<route::Arrived>(event)) follower_->waits(model);
  });
  return {};
}

Result<void> GatewayRunner::open_admin() {
  AdminApi api;
  api.status_json = [this] { return status_json(); };
  api.metrics_text = [this] { return metrics_text(); };
  api.ready = [this] { return !closing_ && all_known(cluster_models_.get()); };
  api.ready_detail = [this] {
    return all_known(cluster_models_.get()) ? leader_words() : kNotListed;
  };
  api.decisions_json = [](const std::string&, std::size_t,
                          std::optional<WallTime>) -> Result<std::string> {
    return fail(std::string(kAskController));
  };
  api.say = [](const std::string&, const control::OperatorSaid&) -> Result<void> {
    return fail(std::string(kAskController));
  };
  admin_ = std::make_unique<AdminServer>(loop_, std::move(api), AdminOptions{options_.admin_token});
  auto bound = admin_->listen(options_.admin);
  if (!bound) return fail(bound.error().within("--admin"));
  admin_address_ = *bound;
  if (!options_.probes) return {};
  if (auto probes = admin_->listen_probes(*options_.probes); !probes) {
    return fail(probes.error().within("--probe-address"));
  }
  return {};
}

/// What is in force now: that of the files and of the cluster.
void GatewayRunner::take_models() {
  if (closing_) return;
  models_.clear();
  for (const auto& [name, loaded] : models_in_force(*files_, cluster_models_.get())) {
    models_.push_back(loaded->model);
  }
  gateway_->set_models(models_);
  if (follower_ == nullptr) return;
  follower_->set_models(models_);
  slices_->follow(models_);
}

void GatewayRunner::reload() {
  if (closing_ || !read_again(*files_, cluster_models_.get())) return;
  take_models();
  net::log(Level::kInfo, "reloaded");
}

void GatewayRunner::begin() {
  if (cluster_models_ != nullptr) cluster_models_->start();
  follower_->start();
  watch();
}

void GatewayRunner::watch() {
  watch_timer_ = loop_.after(kWatchPeriod, [this] {
    if (files_->changed()) reload();
    watch();
  });
}

void GatewayRunner::write_run_file() const {
  const nlohmann::ordered_json file = {{"pid", getpid()},
                                       {"role", std::string(token(options_.role))},
                                       {"gateway", gateway_address_.text()},
                                       {"admin", admin_address_.text()},
                                       {"timeScale", options_.time_scale}};
  std::ofstream(options_.state_dir + "/run.json") << file.dump() << '\n';
}

void GatewayRunner::shutdown(std::function<void()> done) {
  if (closing_) return gateway_->shutdown([] {});
  closing_ = true;
  loop_.cancel(watch_timer_);
  auto end = [this, done = std::move(done)] {
    std::error_code ignored;
    std::filesystem::remove(options_.state_dir + "/run.json", ignored);
    done();
  };
  gateway_->shutdown([this, end = std::move(end)] {
    if (!follower_->leave()) return end();
    loop_.after(link::Follower::kFarewell, end);
  });
}

}  // namespace tidegate::live
