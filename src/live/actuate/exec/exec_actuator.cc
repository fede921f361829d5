#include "live/actuate/exec/exec_actuator.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "live/actuate/process/spawn.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

constexpr Duration kFirstBackOff = seconds(1);  // world
constexpr Duration kLongestBackOff = seconds(60);
constexpr int kTellCapacity = 3;

std::string file_name(const ExecOptions& options, const spec::Model& model,
                      const spec::Variant& variant, const char* what) {
  std::string name = model.name + "-" + variant.name + "-" + what + ".log";
  std::replace(name.begin(), name.end(), '/', '_');
  return options.state_dir + "/logs/" + name;
}

/// The URLs among the lines; anything else a command prints is not for us.
std::vector<net::Address> urls_in(std::string_view text, const std::string& variant) {
  std::vector<net::Address> out;
  std::set<net::Address> seen;
  while (!text.empty()) {
    auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.rfind("http", 0) != 0) continue;
    auto address = parse_endpoint(std::string(line));
    if (!address) {
      net::log(net::Level::kWarn, "listed engine left out",
               {{"variant", variant}, {"error", address.error().message}});
    } else if (out.size() < kMaxEndpoints && seen.insert(*address).second) {
      out.push_back(*address);
    }
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<ExecActuator>> ExecActuator::create(EndpointWorld world, ExecOptions options,
                                                           const spec::Model& model,
                                                           const spec::Variant& variant,
                                                           ActuatorSink sink) {
  const auto* target = std::get_if<spec::ExecTarget>(&variant.target);
  if (target == nullptr) return fail("variant " + variant.name + ": not an exec target");
  if (target->scale_to.empty()) {
    return fail("variant " + variant.name +
                ": exec: give scaleTo, such as [\"./scale.sh\", \"{replicas}\"]");
  }
  return std::unique_ptr<ExecActuator>(
      new ExecActuator(world, std::move(options), model, variant, std::move(sink)));
}

ExecActuator::ExecActuator(EndpointWorld world, ExecOptions options, const spec::Model& model,
                           const spec::Variant& variant, ActuatorSink sink)
    : world_(world),
      options_(std::move(options)),
      model_(model),
      variant_(variant),
      reporter_(world.loop, std::move(sink)),
      set_(world, variant.name, reporter_, options_.endpoints),
      scaler_(world.loop, file_name(options_, model, variant, "scale")),
      lister_(world.loop, file_name(options_, model, variant, "list")) {}

ExecActuator::~ExecActuator() {
  world_.loop.cancel(retry_timer_);
  world_.loop.cancel(list_timer_);
}

void ExecActuator::adopt() { list(); }

void ExecActuator::apply(const control::Apply& wanted) {
  if (stopping_)
    return reporter_.applied({variant_.name, wanted.replicas.value(), 0, "shutting down"});
  wanted_ = std::max<std::int64_t>(0, wanted.replicas.value());
  if (scaler_.running()) return;  // the number asked last goes next
  if (wanted_ == applied_) return reporter_.applied({variant_.name, wanted_, 1, ""});
  if (retry_timer_ == net::Loop::TimerId::kNone) scale();
}

std::vector<std::string> ExecActuator::words(const std::vector<std::string>& command) const {
  std::vector<std::string> out;
  for (const auto& word : command) {
    out.push_back(replace_all(word, {{"{replicas}", std::to_string(wanted_)},
                                     {"{model}", model_.name},
                                     {"{variant}", variant_.name}}));
  }
  return out;
}

void ExecActuator::scale() {
  scaler_.run(
      words(target().scale_to), target().timeout,
      [this, replicas = wanted_](const Result<std::string>& output) { scaled(replicas, output); });
}

void ExecActuator::scaled(std::int64_t replicas, const Result<std::string>& output) {
  if (output) {
    failures_ = 0;
    applied_ = replicas;
    reporter_.applied({variant_.name, replicas, 1, ""});
    if (!stopping_ && wanted_ != applied_) return scale();
    return finish_shutdown();
  }
  const std::string& detail = output.error().message;
  net::log(net::Level::kWarn, "scaling command failed",
           {{"model", model_.name}, {"variant", variant_.name}, {"detail", detail}});
  applied_ = -1;  // whatever it did before it failed
  reporter_.applied({variant_.name, replicas, 0, detail});
  Duration wait = kFirstBackOff;
  for (int i = 0; i < failures_ && wait < kLongestBackOff; ++i) wait *= 2;
  wait = std::min(wait, kLongestBackOff);
  if (++failures_ >= kTellCapacity) reporter_.capacity_failed({variant_.name, -1, wait, detail});
  if (stopping_) return finish_shutdown();
  retry_timer_ = world_.loop.after(world_.clock.to_wall(wait), [this] {
    retry_timer_ = net::Loop::TimerId::kNone;
    scale();
  });
}

void ExecActuator::list() {
  if (target().list.empty() || stopping_ || lister_.running()) return;
  lister_.run(words(target().list), target().timeout,
              [this](const Result<std::string>& output) { listed(output); });
}

void ExecActuator::listed(const Result<std::string>& output) {
  if (stopping_) return finish_shutdown();
  if (output) {
    set_.assign(urls_in(*output, variant_.name));
  } else {
    net::log(
        net::Level::kWarn, "list command failed",
        {{"model", model_.name}, {"variant", variant_.name}, {"detail", output.error().message}});
  }
  list_timer_ = world_.loop.after(options_.list_period, [this] {
    list_timer_ = net::Loop::TimerId::kNone;
    list();
  });
}

void ExecActuator::reload(const spec::Model& model, const spec::Variant& variant) {
  const auto* fresh = std::get_if<spec::ExecTarget>(&variant.target);
  if (fresh == nullptr || fresh->scale_to.empty()) {
    return net::log(net::Level::kError, "reload refused: not an exec target with scaleTo",
                    {{"model", model.name}, {"variant", variant.name}});
  }
  bool other = fresh->scale_to != target().scale_to;
  model_ = model;
  variant_ = variant;
  if (list_timer_ == net::Loop::TimerId::kNone) list();
  if (!other) return;
  // Another command has not been told the number yet, and has not failed yet.
  applied_ = -1;
  failures_ = 0;
  world_.loop.cancel(retry_timer_);
  retry_timer_ = net::Loop::TimerId::kNone;
  if (!stopping_ && wanted_ >= 0 && !scaler_.running()) scale();
}

void ExecActuator::shutdown(std::function<void()> done) {
  if (stopping_) scaler_.kill();
  stopping_ = true;
  done_.push_back(std::move(done));
  world_.loop.cancel(retry_timer_);
  world_.loop.cancel(list_timer_);
  lister_.kill();
  set_.assign({});
  finish_shutdown();
}

/// A command in the middle of its work may finish it.
void ExecActuator::finish_shutdown() {
  if (!stopping_ || scaler_.running() || lister_.running()) return;
  for (auto& done : done_) reporter_.tell(std::move(done));
  done_.clear();
}

}  // namespace tidegate::live
