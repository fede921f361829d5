#include "live/run/runner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "live/actuate/process/devices.h"
#include "live/actuate/process/ports.h"
#include "live/aws/client.h"
#include "live/kube/clusters.h"
#include "live/net/log.h"
#include "live/run/cloud_metrics.h"
#include "live/run/decisions.h"
#include "live/run/models_in_force.h"

namespace tidegate::live {
namespace {

using Json = nlohmann::ordered_json;
constexpr Duration kWatchPeriod = seconds(1);

/// A tape with a hole replays wrong: the first write that fails is told, and nothing follows it.
class TapeFile {
 public:
  explicit TapeFile(std::string path) : path_(std::move(path)), out_(path_, std::ios::trunc) {}
  ~TapeFile() { check(out_.flush()); }
  bool open() const { return out_.good(); }
  void put(std::string_view line) {
    if (out_) check(out_ << line);
  }

 private:
  void check(const std::ostream& out) {
    if (out || std::exchange(told_, true)) return;
    net::log(net::Level::kError, "the tape ends here: it cannot be written",
             {{"file", path_}, {"error", std::strerror(errno)}});
  }
  std::string path_;
  std::ofstream out_;
  bool told_ = false;
};

}  // namespace

Runner::Runner(net::Loop& loop, RunOptions options) : loop_(loop), options_(std::move(options)) {}
Runner::~Runner() {
  loop_.cancel(watch_timer_);
  loop_.cancel(tell_timer_);
}

Result<std::unique_ptr<Runner>> Runner::create(net::Loop& loop, RunOptions options) {
  std::unique_ptr<Runner> runner(new Runner(loop, std::move(options)));
  if (auto opened = runner->open(); !opened) return fail(opened.error());
  return runner;
}

Result<void> Runner::open() {
  started_mono_ = net::WorldClock::mono_now();
  files_ = std::make_unique<SpecFiles>(options_.files, options_.profile_dirs);
  auto loaded = files_->read();
  if (!loaded) return fail(loaded.error());
  files_->take(std::move(*loaded));
  if (auto done = open_state(); !done) return done;

  client_ = std::make_unique<net::HttpClient>(loop_);
  auto devices = DevicePool::detect([] {
    auto driver = Nvml::open();
    return driver ? static_cast<std::int64_t>((*driver)->count()) : 0;
  });
  if (!devices) return fail(devices.error());
  devices_ = std::make_unique<DevicePool>(std::move(*devices));
  ports_ = std::make_unique<PortPool>();
  clusters_ = std::make_unique<kube::Clusters>(loop_);
  accounts_ = std::make_unique<aws::Accounts>(loop_, *client_);
  outside_ = std::make_unique<net::CurlClient>(loop_);
  // Each model hears of its own replicas (senses.h).
  scraper_ = std::make_unique<Scraper>(loop_, *client_, *clock_,
                                       ScraperOptions{.seed = options_.seed}, nullptr);
  if (!options_.tape.empty()) {
    auto file = std::make_shared<TapeFile>(options_.tape);
    if (!file->open()) return fail(fmt::format("tape {}: {}", options_.tape, std::strerror(errno)));
    tape_ =
        std::make_unique<format::TapeWriter>([file](std::string_view line) { file->put(line); });
  }
  if (auto done = open_front(); !done) return done;
  if (options_.cluster) {
    if (auto done = open_operator(); !done) return done;
  }
  if (auto done = open_leadership(); !done) return done;
  open_learned();
  if (auto done = open_models(); !done) return done;
  if (options_.dry_run) return {};  // a look serves nobody and leaves no trace
  if (auto done = open_gateway_listening(); !done) return done;
  cloud_ = std::make_unique<CloudMetrics>(loop_, *accounts_,
                                          [this] { return leads_ ? &models_ : nullptr; });
  gpus_ = std::make_unique<GpuWatch>(loop_, *outside_, [this] { return gpu_pages(models_); });
  if (auto done = open_admin(); !done) return done;
  if (auto done = open_keda(); !done) return done;
  if (auto done = open_external_metrics(); !done) return done;
  write_run_file();
  return {};
}

Result<void> Runner::open_state() {
  std::error_code error;
  std::filesystem::create_directories(options_.state_dir, error);
  if (error) {
    return fail(fmt::format("state directory {}: {}", options_.state_dir, error.message()));
  }
  auto journal = Journal::open(options_.state_dir + "/journal.db");
  if (!journal) return fail(journal.error());
  journal_ = std::move(*journal);
  clock_ = std::make_unique<net::WorldClock>(options_.time_scale, journal_->resume_instant());
  return {};
}

RunParts Runner::parts() {
  RunParts out = {loop_,   *client_,   *clock_,    plane(),   *scraper_, *journal_,  *devices_,
                  *ports_, *clusters_, *accounts_, *outside_, options_,  tape_.get()};
  out.handled = [this](const ModelRun& run) {
    if (keda_ != nullptr) keda_->handled(run);
    if (external_metrics_ != nullptr) external_metrics_->numbers().handled(run);
  };
  out.announced = [this](const ModelRun& run, const control::Announce& announce) {
    announced(run, announce);
  };
  return out;
}

Result<void> Runner::open_models() {
  for (const auto& loaded : files_->models()) {
    if (auto made = add_model(loaded); !made) return made;
  }
  hand_models_to_gateway();
  return {};
}

Result<void> Runner::open_admin() {
  AdminApi api;
  api.status_json = [this] { return status_json(); };
  api.metrics_text = [this] { return metrics_text(); };
  api.ready = [this] { return !closing_ && all_known(cluster_models_.get()); };
  api.ready_detail = [this] { return all_known(cluster_models_.get()) ? "" : kNotListed; };
  api.decisions_json = [this](const std::string& model, std::size_t limit,
                              std::optional<WallTime> until) -> Result<std::string> {
    if (find(model) == nullptr) return fail("no model \"" + model + "\"");
    journal_->flush();
    return decisions_json(*journal_, model, limit, until);
  };
  api.say = [this](const std::string& model, const control::OperatorSaid& said) {
    return say(model, said);
  };
  admin_ = std::make_unique<AdminServer>(loop_, std::move(api), AdminOptions{options_.admin_token});
  auto bound = admin_->listen(options_.admin);
  if (!bound) return fail(bound.error().within("--admin"));
  admin_address_ = *bound;
  if (options_.probes) {
    if (auto probes = admin_->listen_probes(*options_.probes); !probes) {
      return fail(probes.error().within("--probe-address"));
    }
  }
  return {};
}

Result<void> Runner::open_keda() {
  if (!options_.keda) return {};
  auto feed = KedaFeed::open(*options_.keda);
  if (!feed) return fail(feed.error().within("KEDA scaler"));
  keda_ = std::move(*feed);
  follow_keda();
  return {};
}

/// A model that may yet come from the cluster is not unknown.
void Runner::follow_keda() {
  const auto known =
      all_known(cluster_models_.get()) ? keda::Models::kAll : keda::Models::kMoreMayCome;
  if (keda_ != nullptr) keda_->follow(models_, known);
  if (external_metrics_ != nullptr) external_metrics_->numbers().follow(models_, known);
}

Result<void> Runner::open_external_metrics() {
  if (!options_.external_metrics) return {};
  auto opened =
      ExternalMetrics::open({loop_, *clusters_, plane(), models_, election_.get(), notice_.get()},
                            *options_.external_metrics, options_.state_dir);
  if (!opened) return fail(opened.error());
  external_metrics_ = std::move(*opened);
  follow_keda();
  return {};
}

void Runner::write_run_file() {
  Json file = {{"pid", getpid()},
               {"role", std::string(token(options_.role))},
               {"admin", admin_address_.text()},
               {"timeScale", options_.time_scale}};
  if (gateway_ != nullptr) file["gateway"] = gateway_address_.text();
  if (fleet_ != nullptr) file["gateways"] = fleet_->address().text();
  if (keda_ != nullptr) file["keda"] = keda_->scaler().address().text();
  if (external_metrics_ != nullptr) {
    file["externalMetrics"] = external_metrics_->address().text();
  }
  std::ofstream(options_.state_dir + "/run.json") << file.dump() << '\n';
}

void Runner::begin() {
  for (auto& model : models_) model->begin();
  if (cluster_models_ != nullptr) begin_operator();
  if (election_ != nullptr) {
    election_->start();
  } else if (fleet_ != nullptr) {
    fleet_->lead(true, "");
  }
  if (follower_ != nullptr) follower_->start();
  if (options_.dry_run) return;
  if (cluster_models_ == nullptr) stop_strays_once();
  watch_files();
  tell_cluster_on();
}

void Runner::watch_files() {
  watch_timer_ = loop_.after(kWatchPeriod, [this] {
    journal_->reached(clock_->now());
    carry_learned();
    if (!leads_) stand_by();
    if (files_->changed()) {
      reload();
    } else if (look_again_) {
      take_models();
    }
    watch_files();
  });
}

std::string Runner::status_json() {
  return live::status_json(models_, front(), *clock_, gateway_address_, keda_.get(), gpus_.get());
}

std::string Runner::metrics_text() {
  return live::metrics_text(models_, front(), *clock_, *journal_, gpus_.get());
}

void Runner::shutdown(std::function<void()> done) {
  if (closing_) {  // the second time: at once
    for (auto& model : models_) model->shutdown([] {});
    if (gateway_ != nullptr) gateway_->shutdown([] {});
    return;
  }
  closing_ = true;
  loop_.cancel(watch_timer_);
  loop_.cancel(tell_timer_);
  if (external_metrics_ != nullptr) external_metrics_->drain();
  if (keda_ != nullptr) keda_->shutdown();  // unreachable, it makes KEDA hold what there is
  auto end_models = [this, done = std::move(done)] {
    auto left = std::make_shared<std::size_t>(models_.size() + 1);
    auto one_less = [this, left, done] {
      if (--*left == 0) stopped(done);
    };
    for (auto& model : models_) model->shutdown(one_less);
    one_less();
  };
  // Gateways elsewhere serve on; they are told what drains until the end.
  if (gateway_ == nullptr) return end_models();
  gateway_->shutdown([this, end_models] {
    if (follower_ == nullptr || !follower_->leave()) return end_models();
    loop_.after(link::Follower::kFarewell, end_models);
  });
}

/// Every model has ended.
void Runner::stopped(const std::function<void()>& done) {
  if (fleet_ != nullptr) fleet_->shutdown();
  journal_->flush();
  std::error_code ignored;
  std::filesystem::remove(options_.state_dir + "/run.json", ignored);
  give_back_lead(done);
}

}  // namespace tidegate::live
