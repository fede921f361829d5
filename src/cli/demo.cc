#include "cli/demo.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/admin_client.h"
#include "cli/demo_view.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "live/load/load.h"
#include "live/net/log.h"
#include "live/net/signals.h"
#include "live/run/runner.h"

namespace tidegate::cli {
namespace {

constexpr double kTimeScale = 30;  // 90 real seconds are 45 world minutes
constexpr std::int64_t kMaxReplicas = 8;

/// Prices are per replica and hour; the cold start is short for a GPU and long for the burst.
std::string spec_yaml(const DemoOptions& o) {
  return fmt::format(R"(apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: demo}}
spec:
  slo: {{ttft: {{p99: 4s}}, e2e: {{p95: 30s}}}}
  scaling: {{policy: "{}", window: 30s, scaleDownDelay: 3m, concurrencyTarget: 8}}
  queue: {{maxRequests: 2000, maxWait: 10m}}
  variants:
    - name: emulated
      costPerHour: 3.90
      hardware: {{accelerator: h100, count: 1}}
      minReplicas: 1
      maxReplicas: {}
      engine: {{type: vllm, maxNumSeqs: 8}}
      coldStart: {{image: 5s, weights: {{time: 15s}}, engine: {{p50: 20s, p90: 30s}}}}
      target: {{process: {{command: ["tidegate", "engine", "--port", "{{port}}"], drainTimeout: 60s,
                            stopGrace: 2s}}}}
)",
                     o.policy, kMaxReplicas);
}

/// Requests of a day pressed into `span`: night, morning, noon, evening, and a burst in the
/// afternoon.
class Day {
 public:
  Day(std::uint64_t seed, double span_seconds)
      : arrivals_(seed, "demo.arrivals"), lengths_(seed, "demo.lengths"), span_(span_seconds) {}

  /// Requests per world second at `share` of the day in [0, 1].
  static double rate(double share) {
    const double day = 0.5 - 0.5 * cos_turns(share);  // 0 at midnight, 1 at noon
    const bool burst = share > 0.62 && share < 0.72;
    return 1.0 + 9.0 * day * day + (burst ? 12.0 : 0.0);
  }

  bool next(workload::TraceRequest& out) {
    constexpr double kTop = 24;  // thinning: candidates at the top rate, kept by rate/top
    do {
      at_ += arrivals_.exponential(1 / kTop);
      if (at_ >= span_) return false;
    } while (arrivals_.uniform() >= rate(at_ / span_) / kTop);
    out = {};
    out.at = seconds_f(at_);
    out.prompt = Tokens(1 + static_cast<std::int64_t>(lengths_.lognormal_p50_p90(300, 900)));
    out.output = Tokens(1 + static_cast<std::int64_t>(lengths_.lognormal_p50_p90(60, 140)));
    return true;
  }

 private:
  Rng arrivals_, lengths_;
  double span_, at_ = 0;
};

/// A directory that goes away with its owner.
class Scratch {
 public:
  Scratch() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "tidegate-demo-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Demo {
 public:
  Demo(net::Loop& loop, DemoOptions options) : loop_(loop), options_(std::move(options)) {}

  Result<void> open() {
    if (scratch_.path().empty()) return fail("cannot make a directory for temporary files");
    const std::string file = scratch_.path() + "/demo.yaml";
    std::ofstream(file) << spec_yaml(options_);
    live::RunOptions run;
    run.files = {file};
    run.gateway = {"127.0.0.1", 0};
    run.admin = {"127.0.0.1", 0};
    run.state_dir = scratch_.path() + "/state";
    run.time_scale = kTimeScale;
    run.seed = options_.seed;
    auto runner = live::Runner::create(loop_, std::move(run));
    if (!runner) return fail(runner.error());
    runner_ = std::move(*runner);
    return {};
  }

  void begin() {
    fmt::print(
        "tidegate demo: a day of traffic with a burst in {:.0f} seconds (time x {:.0f}), seed {}\n",
        options_.seconds, kTimeScale, options_.seed);
    fmt::print("gateway http://{}   dashboard http://{}\n", runner_->gateway_address().text(),
               runner_->admin_address().text());
    runner_->begin();
    await_first_replica();
  }

  /// Draws to a close early: breaks the load off, stops what was started.
  void interrupt() {
    if (interrupted_) std::_Exit(130);  // the engines were told already
    interrupted_ = true;
    finish();
  }
  bool interrupted() const { return interrupted_; }
  const std::string& trouble() const { return trouble_; }

 private:
  live::ModelRun& model() { return *runner_->models().front(); }

  void await_first_replica() {
    if (interrupted_) return;
    if (model().settled()) return start_load();
    if (runner_->clock().now() - Instant::from_nanos(0) > seconds(600)) {
      trouble_ = "no engine became ready; the last word: " +
                 (model().notes().empty() ? "none" : model().notes().front().info.detail);
      return finish();
    }
    loop_.after(millis(50), [this] { await_first_replica(); });
  }

  void start_load() {
    live::LoadConfig config;
    config.url = {runner_->gateway_address(), "/"};
    config.model = "demo";
    config.time_scale = kTimeScale;
    config.seed = options_.seed;
    config.slo = model().model().slo;
    auto day = std::make_shared<Day>(options_.seed, options_.seconds * kTimeScale);
    load_ = std::make_unique<live::LoadRun>(
        loop_, std::move(config), [day](workload::TraceRequest& r) { return day->next(r); });
    view_ = std::make_unique<DemoView>(options_.seconds * kTimeScale, isatty(STDOUT_FILENO) != 0);
    load_->start([this] { finish(); });
    draw();
  }

  void draw() {
    if (finishing_) return;
    view_->draw(model(), runner_->gateway(), load_->result());
    timer_ = loop_.after(view_->period(), [this] { draw(); });
  }

  void finish() {
    if (finishing_) return;
    finishing_ = true;
    loop_.cancel(timer_);
    if (load_ != nullptr && view_ != nullptr) {
      view_->draw(model(), runner_->gateway(), load_->result());
      view_->summary(model(), load_->result(), runner_->clock().now());
      if (interrupted_) load_->stop();
    }
    runner_->shutdown([this] { loop_.stop(); });
    if (interrupted_) runner_->shutdown([] {});  // at once
  }

  net::Loop& loop_;
  DemoOptions options_;
  Scratch scratch_;
  std::unique_ptr<live::Runner> runner_;
  std::unique_ptr<live::LoadRun> load_;
  std::unique_ptr<DemoView> view_;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  std::string trouble_;
  bool finishing_ = false, interrupted_ = false;
};

}  // namespace

int demo(const DemoOptions& options) {
  net::configure_log(net::Level::kError, net::LogFormat::kText);
  auto loop = net::Loop::create();
  if (!loop) return report(loop.error());
  Demo show(**loop, options);
  auto signals = net::Signals::create(**loop, [&](int) { show.interrupt(); });
  if (!signals) return report(signals.error());
  if (auto opened = show.open(); !opened) return report(opened.error());
  show.begin();
  (*loop)->run();
  if (!show.trouble().empty()) return report({show.trouble()});
  return show.interrupted() ? 130 : 0;
}

}  // namespace tidegate::cli
