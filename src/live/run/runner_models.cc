// Which models run: those of the files and those of the cluster, by one road: what is in force now
// is held against what runs, and the difference is done.
#include <fmt/format.h>

#include <algorithm>

#include "live/actuate/process/process_actuator.h"
#include "live/net/log.h"
#include "live/run/models_in_force.h"
#include "live/run/runner.h"

namespace tidegate::live {

using net::Level;

void Runner::reload() {
  if (!closing_ && read_again(*files_, cluster_models_.get())) take_models();
}

void Runner::take_models() {
  if (closing_) return;
  const auto wanted = models_in_force(*files_, cluster_models_.get());
  look_again_ = false;
  // The gateway first: an event must find the bounds it is recorded with.
  std::vector<spec::Model> specs;
  for (const auto& [name, loaded] : wanted) specs.push_back(loaded->model);
  hand_models_to_gateway(specs);
  end_models(wanted);
  bool failed = false;
  for (const auto& [name, loaded] : wanted) {
    auto done = take_model(*loaded);
    if (!done) {
      net::log(Level::kError, "reload failed", {{"model", name}, {"error", done.error().message}});
      failed = true;
    }
    if (cluster_models_ != nullptr) {
      cluster_models_->cannot_run(name, done ? "" : done.error().message);
    }
  }
  if (failed) hand_models_to_gateway();  // what is in force is what runs
  if (cluster_models_ != nullptr && cluster_models_->in_step()) stop_strays_once();
  follow_keda();
}

void Runner::end_models(const std::map<std::string, const format::LoadedModel*>& wanted) {
  for (auto it = models_.begin(); it != models_.end();) {
    if (wanted.contains((*it)->name())) {
      ++it;
      continue;
    }
    net::log(Level::kInfo, "model is not wanted any more: draining", {{"model", (*it)->name()}});
    ModelRun* run = it->get();
    by_name_.erase(run->name());
    leaving_.push_back(std::move(*it));
    it = models_.erase(it);
    run->shutdown([this, run] {
      loop_.post(
          [this, run] { std::erase_if(leaving_, [run](auto& m) { return m.get() == run; }); });
    });
  }
}

Result<void> Runner::take_model(const format::LoadedModel& loaded) {
  const std::string& name = loaded.model.name;
  auto has_name = [&](const auto& m) { return m->name() == name; };
  if (std::any_of(leaving_.begin(), leaving_.end(), has_name)) {
    net::log(Level::kWarn, "the model still drains from before: taken up when that is done",
             {{"model", name}});
    look_again_ = true;
    return {};
  }
  if (ModelRun* run = in_force(name); run != nullptr) {
    if (run->loaded().hash == loaded.hash) return {};
    if (auto done = run->reload(loaded); !done) return done;
  } else {
    if (auto made = add_model(loaded); !made) return made;
    models_.back()->begin();
  }
  net::log(Level::kInfo, "reloaded", {{"model", name}});
  return {};
}

Result<void> Runner::add_model(const format::LoadedModel& loaded) {
  auto run = ModelRun::create(parts(), loaded);
  if (!run) return fail(run.error());
  if (!leads_) (*run)->lead(false);
  models_.push_back(std::move(*run));
  by_name_[models_.back()->name()] = models_.back().get();
  return {};
}

void Runner::stop_strays_once() {
  if (options_.dry_run || std::exchange(strays_stopped_, true)) return;
  std::vector<spec::Model> specs;
  for (const auto& model : models_) specs.push_back(model->model());
  if (auto strays = stop_strays(*journal_, options_.state_dir, specs); !strays) {
    net::log(Level::kError, "engines nobody answers for", {{"error", strays.error().message}});
  } else if (*strays > 0) {
    net::log(Level::kWarn, "stopped engines whose variant is not in force any more",
             {{"engines", std::to_string(*strays)}});
  }
}

ModelRun* Runner::in_force(const std::string& model) const {
  auto found = by_name_.find(model);
  return found == by_name_.end() ? nullptr : found->second;
}

ModelRun* Runner::find(const std::string& model) const {
  if (ModelRun* run = in_force(model); run != nullptr) return run;
  for (const auto& run : leaving_) {
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

}  // namespace tidegate::live
