#include "live/run/runner.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/policy/policy.h"
#include "live/actuate/process/devices.h"
#include "live/actuate/process/ports.h"
#include "live/actuate/process/process_actuator.h"
#include "live/kube/clusters.h"
#include "live/net/log.h"
#include "live/run/decisions.h"
#include "live/run/status.h"

namespace tidegate::live {
namespace {

using net::Level;
using Json = nlohmann::ordered_json;
constexpr Duration kWatchPeriod = seconds(1);

std::pair<std::int64_t, std::int64_t> stamp(const std::string& path) {
  struct stat s {};
  if (stat(path.c_str(), &s) != 0) return {0, -1};
  return {s.st_mtim.tv_sec * 1'000'000'000LL + s.st_mtim.tv_nsec, s.st_size};
}

/// What `run` refuses though it is legal: policies and targets that come later.
Result<void> check_built(const spec::Model& model) {
  if (!policy::is_built(model.scaling.policy)) {
    return fail(fmt::format("model {}: policy {} is not built yet; there are {}", model.name,
                            token(model.scaling.policy), policy::built_policies()));
  }
  for (const auto& metric : model.scaling.metrics) {
    if (!metric.promql.empty()) {
      return fail(
          fmt::format("model {}: scaling.metrics with promql is not built yet; use signal: "
                      "waiting, inFlight, kvUsage, ...",
                      model.name));
    }
  }
  return {};
}

}  // namespace

Runner::Runner(net::Loop& loop, RunOptions options) : loop_(loop), options_(std::move(options)) {}
Runner::~Runner() { loop_.cancel(watch_timer_); }

Result<std::unique_ptr<Runner>> Runner::create(net::Loop& loop, RunOptions options) {
  std::unique_ptr<Runner> runner(new Runner(loop, std::move(options)));
  if (auto opened = runner->open(); !opened) return fail(opened.error());
  return runner;
}

Result<void> Runner::open() {
  started_mono_ = net::WorldClock::mono_now();
  auto loaded = load_files();
  if (!loaded) return fail(loaded.error());
  if (auto done = open_state(); !done) return done;

  client_ = std::make_unique<net::HttpClient>(loop_);
  auto devices = DevicePool::detect();
  if (!devices) return fail(devices.error());
  devices_ = std::make_unique<DevicePool>(std::move(*devices));
  ports_ = std::make_unique<PortPool>();
  clusters_ = std::make_unique<kube::Clusters>(loop_);
  gateway_ = std::make_unique<Gateway>(loop_, *client_, *clock_);
  scraper_ =
      std::make_unique<Scraper>(loop_, *client_, *clock_, ScraperOptions{.seed = options_.seed},
                                [this](const ScrapeReport& report) {
                                  if (report.signals == nullptr)
                                    return;  // its values age by themselves
                                  for (auto& model : models_) {
                                    if (model->replicas().contains(report.id)) {
                                      gateway_->scraped(model->name(), report.id, *report.signals);
                                    }
                                  }
                                });
  gateway_->on_drained([this](const std::string& model, ReplicaId id) {
    if (ModelRun* run = find(model); run != nullptr) run->drained(id);
  });
  if (!options_.tape.empty()) {
    auto file = std::make_shared<std::ofstream>(options_.tape, std::ios::trunc);
    if (!*file) return fail(fmt::format("tape {}: {}", options_.tape, std::strerror(errno)));
    tape_ = std::make_unique<format::TapeWriter>([file](std::string_view line) { *file << line; });
  }
  gateway_->on_routed([this](const std::string& model, const route::Event& event, Instant now,
                             const std::vector<route::Action>& actions) {
    if (tape_ != nullptr) tape_->route(model, event, now, actions);
    if (actions.empty() && std::holds_alternative<route::Arrived>(event)) {
      if (ModelRun* run = find(model); run != nullptr) run->waits();
    }
  });
  if (auto done = open_models(std::move(*loaded)); !done) return done;
  if (options_.dry_run) return {};  // a look serves nobody and leaves no trace
  auto bound = gateway_->listen(options_.gateway);
  if (!bound) return fail(bound.error().within("gateway"));
  gateway_address_ = *bound;
  if (auto done = open_admin(); !done) return done;
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

Result<std::vector<format::LoadedModel>> Runner::load_files() {
  std::vector<format::SpecFile> files;
  std::vector<const format::SpecFile*> views;
  std::vector<format::Diagnostic> diagnostics;
  files.reserve(options_.files.size());
  for (const auto& path : options_.files) {
    file_stamps_[path] = stamp(path);
    files.push_back(format::load_spec_file(path));
    views.push_back(&files.back());
    diagnostics.insert(diagnostics.end(), files.back().diagnostics.begin(),
                       files.back().diagnostics.end());
  }
  const auto together = format::check_together(views);
  diagnostics.insert(diagnostics.end(), together.begin(), together.end());
  std::string errors;
  for (const auto& d : diagnostics) {
    if (d.severity == format::Severity::kError) {
      errors += (errors.empty() ? "" : "\n") + d.text();
    } else {
      net::log(Level::kWarn, d.text());
    }
  }
  if (!errors.empty()) return fail(errors);
  std::vector<format::LoadedModel> all;
  for (auto& file : files) {
    for (auto& model : file.models) all.push_back(std::move(model));
  }
  if (all.empty())
    return fail("no model in the files given: a file holds documents of kind: Model");
  for (auto& loaded : all) {
    if (auto built = check_built(loaded.model); !built) return fail(built.error());
    if (auto found = format::resolve_profiles(loaded, options_.profile_dirs); !found) {
      return fail(found.error().within(loaded.file));
    }
  }
  return all;
}

RunParts Runner::parts() {
  return {loop_,     *client_, *clock_,    *gateway_, *scraper_,  *journal_,
          *devices_, *ports_,  *clusters_, options_,  tape_.get()};
}

Result<void> Runner::open_models(std::vector<format::LoadedModel> loaded) {
  for (auto& model : loaded) {
    auto run = ModelRun::create(parts(), std::move(model));
    if (!run) return fail(run.error());
    models_.push_back(std::move(*run));
  }
  hand_models_to_gateway();
  return {};
}

void Runner::hand_models_to_gateway() {
  std::vector<spec::Model> specs;
  for (const auto& model : models_) specs.push_back(model->model());
  gateway_->set_models(std::move(specs));
}

Result<void> Runner::open_admin() {
  AdminApi api;
  api.status_json = [this] { return status_json(); };
  api.metrics_text = [this] { return metrics_text(); };
  api.ready = [this] { return !closing_; };
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
  if (!bound) return fail(bound.error().within("admin"));
  admin_address_ = *bound;
  if (options_.probes) {
    if (auto probes = admin_->listen_probes(*options_.probes); !probes) {
      return fail(probes.error().within("probes"));
    }
  }
  return {};
}

void Runner::write_run_file() {
  std::ofstream(options_.state_dir + "/run.json") << Json{{"pid", getpid()},
                                                          {"gateway", gateway_address_.text()},
                                                          {"admin", admin_address_.text()},
                                                          {"timeScale", options_.time_scale}}
                                                         .dump()
                                                  << '\n';
}

void Runner::begin() {
  for (auto& model : models_) model->begin();
  if (options_.dry_run) return;
  std::vector<spec::Model> specs;
  for (const auto& model : models_) specs.push_back(model->model());
  if (auto strays = stop_strays(*journal_, options_.state_dir, specs); !strays) {
    net::log(Level::kError, "engines nobody answers for", {{"error", strays.error().message}});
  } else if (*strays > 0) {
    net::log(Level::kWarn, "stopped engines whose variant is not in the files any more",
             {{"engines", std::to_string(*strays)}});
  }
  watch_files();
}

void Runner::watch_files() {
  watch_timer_ = loop_.after(kWatchPeriod, [this] {
    journal_->reached(clock_->now());
    bool changed = false;
    for (const auto& [path, seen] : file_stamps_) changed = changed || stamp(path) != seen;
    if (changed) reload();
    watch_files();
  });
}

void Runner::reload() {
  if (closing_) return;
  auto loaded = load_files();
  if (!loaded) {
    net::log(Level::kError, "reload: nothing changed, the files have errors",
             {{"error", loaded.error().message}});
    return;
  }
  apply_reload(std::move(*loaded));
}

void Runner::apply_reload(std::vector<format::LoadedModel> loaded) {
  // The gateway first: an event must find the bounds it is recorded with.
  std::vector<spec::Model> specs;
  for (const auto& l : loaded) specs.push_back(l.model);
  gateway_->set_models(std::move(specs));
  for (auto it = models_.begin(); it != models_.end();) {
    const bool stays = std::any_of(loaded.begin(), loaded.end(),
                                   [&](const auto& l) { return l.model.name == (*it)->name(); });
    if (stays) {
      ++it;
      continue;
    }
    net::log(Level::kInfo, "model left the files: draining", {{"model", (*it)->name()}});
    ModelRun* run = it->get();
    leaving_.push_back(std::move(*it));
    it = models_.erase(it);
    run->shutdown([this, run] {
      loop_.post(
          [this, run] { std::erase_if(leaving_, [run](auto& m) { return m.get() == run; }); });
    });
  }
  for (auto& l : loaded) {
    const std::string name = l.model.name;
    auto has_name = [&](const auto& m) { return m->name() == name; };
    if (std::any_of(leaving_.begin(), leaving_.end(), has_name)) {
      net::log(Level::kWarn, "the model still drains from before: taken up when that is done",
               {{"model", name}});
      for (auto& [path, seen] : file_stamps_) seen = {0, -1};  // look again at the next turn
      continue;
    }
    auto run = std::find_if(models_.begin(), models_.end(), has_name);
    if (run != models_.end() && (*run)->loaded().hash == l.hash) continue;
    Result<void> done;
    if (run != models_.end()) {
      done = (*run)->reload(std::move(l));
    } else if (auto created = ModelRun::create(parts(), std::move(l)); created) {
      models_.push_back(std::move(*created));
      models_.back()->begin();
    } else {
      done = fail(created.error());
    }
    if (!done) {
      net::log(Level::kError, "reload failed", {{"model", name}, {"error", done.error().message}});
    } else {
      net::log(Level::kInfo, "reloaded", {{"model", name}});
    }
  }
}

ModelRun* Runner::find(const std::string& model) {
  for (auto& run : models_) {
    if (run->name() == model) return run.get();
  }
  for (auto& run : leaving_) {
    if (run->name() == model) return run.get();
  }
  return nullptr;
}

Result<void> Runner::say(const std::string& model, const control::OperatorSaid& said) {
  ModelRun* run = find(model);
  if (run == nullptr) return fail("no model \"" + model + "\"");
  if (said.said == control::Said::kScale) {
    const auto& variants = run->model().variants;
    auto variant = std::find_if(variants.begin(), variants.end(), [&](const auto& v) {
      return said.variant.empty() || v.name == said.variant;
    });
    if (variant == variants.end()) return fail("no variant \"" + said.variant + "\" of " + model);
    if (said.replicas < 0 || said.replicas > variant->max_replicas.value()) {
      return fail(fmt::format("{} replicas: {} takes 0 to {} (maxReplicas)", said.replicas,
                              variant->name, variant->max_replicas.value()));
    }
  }
  net::log(Level::kInfo, "the operator said",
           {{"model", model}, {"said", std::string(token(said.said))}});
  run->say(said);
  return {};
}

std::string Runner::status_json() {
  return live::status_json(models_, *gateway_, *clock_, gateway_address_);
}

std::string Runner::metrics_text() {
  return live::metrics_text(models_, *gateway_, *clock_, *journal_);
}

void Runner::shutdown(std::function<void()> done) {
  if (closing_) {  // the second time: at once
    for (auto& model : models_) model->shutdown([] {});
    gateway_->shutdown([] {});
    return;
  }
  closing_ = true;
  loop_.cancel(watch_timer_);
  gateway_->shutdown([this, done = std::move(done)] {
    auto left = std::make_shared<std::size_t>(models_.size() + 1);
    auto one_less = [this, left, done] {
      if (--*left > 0) return;
      journal_->flush();
      std::error_code ignored;
      std::filesystem::remove(options_.state_dir + "/run.json", ignored);
      done();
    };
    for (auto& model : models_) model->shutdown(one_less);
    one_less();
  });
}

}  // namespace tidegate::live
