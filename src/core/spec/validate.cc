#include "core/spec/validate.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "core/base/ascii.h"
#include "core/base/fields.h"
#include "core/spec/cron.h"
#include "core/spec/expected_start.h"
#include "core/spec/options.h"

namespace tidegate::spec {
namespace {

class Errors {
 public:
  explicit Errors(std::vector<Finding>& out) : out_(out) {}
  void add(std::string path, std::string message) {
    out_.push_back({true, std::move(path), std::move(message)});
  }

 private:
  std::vector<Finding>& out_;
};

std::string item(std::string_view list, std::size_t i, std::string_view key = "") {
  std::string path = "spec." + std::string(list) + "[" + std::to_string(i) + "]";
  return key.empty() ? path : path + "." + std::string(key);
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

/// Reports each name that occurred before; `path` of the i-th name.
template <class Items, class Name, class Path>
void unique_names(const Items& items, Name name, Path path, std::string_view what, Errors& errors) {
  std::map<std::string, std::size_t, std::less<>> seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto [first, fresh] = seen.emplace(name(items[i]), i);
    if (!fresh) {
      errors.add(path(i), std::string(what) + " " + quoted(first->first) +
                              " is there already, as " + path(first->second) +
                              "; names must differ");
    }
  }
}

void check_names(const Model& model, Errors& errors) {
  unique_names(
      model.variants, [](const Variant& v) { return v.name; },
      [](std::size_t i) { return item("variants", i, "name"); }, "variant", errors);
  unique_names(
      model.served_names, [](const std::string& s) { return s; },
      [](std::size_t i) { return item("servedNames", i); }, "served name", errors);
  unique_names(
      model.adapters, [](const Adapter& a) { return a.name; },
      [](std::size_t i) { return item("adapters", i, "name"); }, "adapter", errors);
  unique_names(
      model.priority_classes, [](const PriorityClass& p) { return p.name; },
      [](std::size_t i) { return item("priorityClasses", i, "name"); }, "priority class", errors);
  for (std::size_t i = 0; i < model.adapters.size(); ++i) {
    for (const std::string& served : model.served_names) {
      if (served == model.adapters[i].name) {
        errors.add(item("adapters", i, "name"),
                   "adapter " + quoted(served) +
                       " is a served name of the model too; clients could not "
                       "tell them apart");
      }
    }
  }
}

void check_scaling(const Scaling& scaling, Errors& errors) {
  if (scaling.mode == Mode::kTimed && scaling.timed_for <= Duration{0}) {
    errors.add("spec.scaling.mode", "mode timed needs scaling.timedFor above 0, such as 2h");
  }
  for (std::size_t i = 0; i < scaling.metrics.size(); ++i) {
    const MetricSpec& metric = scaling.metrics[i];
    if (metric.type == MetricTarget::kUtilization && metric.target > 1) {
      errors.add(item("scaling.metrics", i, "target"),
                 "Utilization is a share: the target must be at most 1, " +
                     number_text(metric.target) + " given; write 0.7 for 70 %");
    }
  }
  for (std::size_t i = 0; i < scaling.schedule.size(); ++i) {
    const ScheduleWindow& w = scaling.schedule[i];
    if (w.min_replicas && w.max_replicas && *w.min_replicas > *w.max_replicas) {
      errors.add(item("scaling.schedule", i, "minReplicas"),
                 "minReplicas (" + std::to_string(w.min_replicas->value()) +
                     ") is above maxReplicas (" + std::to_string(w.max_replicas->value()) + ")");
    }
  }
}

bool is_http_url(std::string_view url) {
  const bool http = url.starts_with("http://") || url.starts_with("https://");
  std::string_view rest = http ? url.substr(url.find("//") + 2) : "";
  return !rest.empty() && rest.front() != '/' && rest.front() != ':' &&
         url.find_first_of(" \t\r\n\"<>") == std::string_view::npos;
}

void check_cold_start(const ColdStart& cold, const std::string& path, Errors& errors) {
  if (cold.weights.time && cold.weights.bytes != 0) {
    errors.add(
        path + ".weights.time",
        "weights have a time and bytes; give one of the two (bytes with a bandwidth, or a time)");
  }
  if (cold.weights.bandwidth_bytes_per_second && cold.weights.bytes == 0) {
    errors.add(path + ".weights.bandwidth",
               "a bandwidth says nothing without bytes; add bytes: 27GB");
  }
  const std::string& source = cold.weights.source;
  if (!source.empty() && !source.starts_with("hf://") && !source.starts_with("file:///") &&
      !is_http_url(source)) {
    errors.add(path + ".weights.source",
               quoted(source) +
                   " is no source of weights; write hf://OWNER/NAME@REVISION or the URL of a "
                   "manifest");
  }
}

void check_prometheus(const Prometheus& prometheus, Errors& errors) {
  const std::string path = "spec.prometheus";
  const std::string& url = prometheus.url;
  const std::string_view authority =
      std::string_view(url).substr(0, url.find('/', url.find("//") + 2));
  if (!is_http_url(url)) {
    errors.add(path + ".url", quoted(url) + " is not a URL; write http://HOST:PORT");
  } else if (authority.find('@') != std::string_view::npos) {
    errors.add(path + ".url", "a URL must not hold credentials; use bearerTokenFile");
  } else if (url.find_first_of("?#") != std::string::npos || url.ends_with("/api/v1/query")) {
    errors.add(path + ".url", quoted(url) + " is more than where Prometheus is; write it up to " +
                                  "what stands before /api/v1");
  }
  for (const auto& [name, value] : prometheus.headers) {
    constexpr std::string_view kToken =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (name.empty() || name.find_first_not_of(kToken) != std::string::npos ||
        value.find_first_of("\r\n") != std::string::npos) {
      errors.add(path + ".headers", "the header " + quoted(name) +
                                        " cannot be sent: its name holds letters, digits and -, "
                                        "its value no line breaks");
    }
  }
}

void check_front(const InFront& front, Errors& errors) {
  const std::string path = "spec.front.queueMetrics", &url = front.queue_metrics;
  if (url.empty()) {
    if (front.bearer_token_file.empty()) return;
    errors.add("spec.front.bearerTokenFile", "is for the page of queueMetrics; write that, too");
    return;
  }
  if (front.by == Front::kGateway) {
    errors.add(path, "Tidegate's own gateway knows its queue; write by: proxy, or leave it out");
  } else if (!is_http_url(url) || !url.starts_with("http://") ||
             url.find('@') != std::string::npos) {
    errors.add(path, quoted(url) + " is not the URL of a page; write http://HOST:PORT/metrics");
  }
}

void check_sense(const Model& model, const Sense& sense, const std::string& path, Errors& errors) {
  if (sense.from == SenseFrom::kPrometheus && !model.prometheus) {
    errors.add(path + ".from",
               "sensing from Prometheus needs to know which; add spec.prometheus.url");
  }
  if (sense.selector.find_first_of("{}") != std::string::npos) {
    errors.add(path + ".selector", "write label matchers without braces, such as job=\"vllm\"");
  }
  for (std::size_t i = 0; i < sense.gpu_metrics.size(); ++i) {
    if (!is_http_url(sense.gpu_metrics[i])) {
      errors.add(path + ".gpuMetrics[" + std::to_string(i) + "]",
                 quoted(sense.gpu_metrics[i]) + " is not a URL; write http://{host}:9400/metrics");
    }
  }
}

void check_urls(const EndpointsTarget& target, const std::string& path, Errors& errors) {
  if (target.urls.empty()) errors.add(path, "endpoints must not be empty");
  std::map<std::string, std::size_t> seen;
  for (std::size_t i = 0; i < target.urls.size(); ++i) {
    const std::string& url = target.urls[i];
    std::string at = path + "[" + std::to_string(i) + "]";
    if (!is_http_url(url)) {
      errors.add(at, quoted(url) + " is not a URL of an engine; write http://HOST:PORT");
    }
    if (auto [first, fresh] = seen.emplace(url, i); !fresh) {
      errors.add(at, "endpoint " + quoted(url) + " is there already, as " + path + "[" +
                         std::to_string(first->second) + "]");
    }
  }
}

/// Why no replica of this target can be put to sleep; empty where it can.
std::string_view cannot_sleep(const Target& target) {
  if (std::holds_alternative<EndpointsTarget>(target)) {
    return "engines behind endpoints are not ours to put to sleep";
  }
  if (std::holds_alternative<ExecTarget>(target)) {
    return "a command that is told the number cannot put a replica to sleep";
  }
  return {};
}

void check_warm_pool(const Variant& variant, const std::string& path, Errors& errors) {
  const WarmPool& pool = variant.warm_pool;
  if (pool.min_replicas > pool.max_replicas) {
    errors.add(path + ".warmPool.minReplicas",
               "minReplicas (" + std::to_string(pool.min_replicas.value()) +
                   ") is above maxReplicas (" + std::to_string(pool.max_replicas.value()) + ")");
  }
  if (pool.max_replicas <= Replicas(0)) return;
  if (std::string_view why = cannot_sleep(variant.target); !why.empty()) {
    errors.add(path + ".warmPool.maxReplicas",
               std::string(why) +
                   "; a warm pool needs target.process, target.kubernetes or "
                   "target.awsAutoScalingGroup (or simulate)");
  }
  if (engine_sleeps(pool.state) && engine_wake(variant) == nullptr) {
    const bool drops = pool.state == PoolState::kLevel2;
    errors.add(path + ".warmPool.state",
               "sleepers of " + std::string(token(pool.state)) +
                   " need to know how long they take to wake; add coldStart.wakeLevel" +
                   (drops ? "2: 8s" : "1: 1s"));
  }
}

void check_aws(const AwsAutoScalingGroupTarget& group, const std::string& path, Errors& errors) {
  if (!group.health_path.starts_with('/')) {
    errors.add(path + ".healthPath",
               quoted(group.health_path) + " must begin with /, such as /health");
  }
  const bool spelt = !group.region.empty() &&
                     std::all_of(group.region.begin(), group.region.end(),
                                 [](char c) { return ascii::is_lower_or_digit(c) || c == '-'; });
  if (!spelt) {
    errors.add(path + ".region", quoted(group.region) + " is no region; write eu-central-1");
  }
  const std::string& url = group.endpoint;
  if (!url.empty() && !url.starts_with("http://") && !url.starts_with("https://")) {
    errors.add(path + ".endpoint", quoted(url) + " is not a URL; write http://127.0.0.1:4566");
  }
}

void check_variant(const Variant& variant, const std::string& path, Errors& errors) {
  if (variant.min_replicas && *variant.min_replicas > variant.max_replicas) {
    errors.add(path + ".minReplicas",
               "minReplicas (" + std::to_string(variant.min_replicas->value()) +
                   ") is above maxReplicas (" + std::to_string(variant.max_replicas.value()) + ")");
  }
  const Engine& engine = variant.engine;
  if (engine.max_num_seqs && engine.max_num_batched_tokens &&
      *engine.max_num_batched_tokens < *engine.max_num_seqs) {
    errors.add(
        path + ".engine.maxNumBatchedTokens",
        "maxNumBatchedTokens (" + std::to_string(*engine.max_num_batched_tokens) +
            ") is below maxNumSeqs (" + std::to_string(*engine.max_num_seqs) +
            "); a step could not hold one token of each sequence, and vLLM refuses to start");
  }
  check_cold_start(variant.cold_start, path + ".coldStart", errors);
  check_warm_pool(variant, path, errors);
  if (auto* endpoints = std::get_if<EndpointsTarget>(&variant.target)) {
    check_urls(*endpoints, path + ".target.endpoints", errors);
  }
  if (auto* group = std::get_if<AwsAutoScalingGroupTarget>(&variant.target)) {
    check_aws(*group, path + ".target.awsAutoScalingGroup", errors);
  }
  if (auto* process = std::get_if<ProcessTarget>(&variant.target)) {
    if (!process->health_path.starts_with('/')) {
      errors.add(path + ".target.process.healthPath",
                 quoted(process->health_path) + " must begin with /, such as /health");
    }
    for (const auto& [name, value] : process->env) {
      if (name.find('=') != std::string::npos) {
        errors.add(path + ".target.process.env", "the name " + quoted(name) + " must not hold '='");
      }
    }
  }
}

}  // namespace

void find_contradictions(const Model& model, std::vector<Finding>& out) {
  Errors errors(out);
  check_names(model, errors);
  for (const auto& [bound, key] :
       {std::pair{model.slo.ttft, "ttft"}, {model.slo.itl, "itl"}, {model.slo.e2e, "e2e"}}) {
    if (bound && !(bound->percentile > 0 && bound->percentile < 1)) {
      errors.add(std::string("spec.slo.") + key, "the percentile must be above p0 and below p100");
    }
  }
  check_scaling(model.scaling, errors);
  if (model.variants.empty()) errors.add("spec.variants", "a model needs at least one variant");
  check_front(model.front, errors);
  if (model.prometheus) check_prometheus(*model.prometheus, errors);
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    check_variant(model.variants[i], item("variants", i), errors);
    check_sense(model, model.variants[i].sense, item("variants", i) + ".sense", errors);
  }
}

std::string cannot_stand_by(const Variant& variant) {
  const PoolState state = variant.warm_pool.state;
  if (variant.warm_pool.max_replicas <= Replicas(0) || engine_sleeps(state)) return {};
  const bool process = std::holds_alternative<ProcessTarget>(variant.target);
  if (!process && !std::holds_alternative<KubernetesTarget>(variant.target)) return {};
  return "target." + std::string(process ? "process" : "kubernetes") +
         " puts engines to sleep and keeps no machine without one: write level1 or level2 in the "
         "place of " +
         std::string(token(state)) + ", or use target.awsAutoScalingGroup";
}

std::vector<Finding> validate(const Model& model, const Facts& facts) {
  std::vector<Finding> out;
  find_contradictions(model, out);
  // Advice on a spec that contradicts itself would only bury the errors.
  if (out.empty()) find_unwise(model, facts, out);
  return out;
}

std::vector<std::vector<Finding>> validate_together(std::span<const Model* const> models) {
  std::vector<std::vector<Finding>> out(models.size());
  std::map<std::string, std::string> model_names;    // name -> the model that has it
  std::map<std::string, std::string> request_names;  // what a client may send -> its model
  for (std::size_t m = 0; m < models.size(); ++m) {
    const Model& model = *models[m];
    Errors errors(out[m]);
    if (!model_names.emplace(model.name, model.name).second) {
      errors.add("metadata.name",
                 "another model is named " + quoted(model.name) + " too; names must differ");
      continue;
    }
    std::set<std::string> own;
    auto claim = [&](const std::string& name, const std::string& path) {
      if (!own.insert(name).second) return;  // reported by find_contradictions
      auto [first, fresh] = request_names.emplace(name, model.name);
      if (!fresh) {
        errors.add(path, quoted(name) + " is served by model " + quoted(first->second) +
                             " already; a request for it could go to only one");
      }
    };
    for (std::size_t i = 0; i < model.served_names.size(); ++i) {
      claim(model.served_names[i], item("servedNames", i));
    }
    for (std::size_t i = 0; i < model.adapters.size(); ++i) {
      claim(model.adapters[i].name, item("adapters", i, "name"));
    }
  }
  return out;
}

}  // namespace tidegate::spec
