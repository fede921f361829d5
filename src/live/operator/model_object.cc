#include "live/operator/model_object.h"

#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"
#include "live/kube/time_text.h"

namespace tidegate::live {
namespace {

using kube::part;
using kube::text;
using nlohmann::json;

void pause(json& spec) {
  if (!spec.contains("scaling")) spec["scaling"] = json::object();
  if (spec["scaling"].is_object()) spec["scaling"]["paused"] = true;
}

/// The document as a file would hold it; JSON is YAML.
std::string document_of(const json& object, const ModelObject& model) {
  json spec = part(object, "spec");
  const std::string paused = text(object, "metadata", "annotations", kPausedAnnotation);
  if (spec.is_object() && !paused.empty() && paused != "false") pause(spec);
  const json document = {{"apiVersion", text(object, "apiVersion")},
                         {"kind", text(object, "kind")},
                         {"metadata", {{"name", model.name}, {"namespace", model.ns}}},
                         {"spec", std::move(spec)}};
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

void add_line(std::string& lines, const std::string& line) {
  lines += (lines.empty() ? "" : "\n") + line;
}

std::string overreach(const spec::Target& target, const std::string& ns) {
  if (std::holds_alternative<spec::ProcessTarget>(target)) return "target.process runs a command";
  if (std::holds_alternative<spec::ExecTarget>(target)) return "target.exec runs a command";
  if (std::holds_alternative<spec::AwsAutoScalingGroupTarget>(target)) {
    return "target.awsAutoScalingGroup acts with our AWS credentials";
  }
  const auto* kubernetes = std::get_if<spec::KubernetesTarget>(&target);
  if (kubernetes == nullptr) return "";
  if (!kubernetes->kubeconfig.empty() || !kubernetes->context.empty()) {
    return "target.kubernetes.kubeconfig and context lead to other clusters";
  }
  if (kubernetes->ns != ns) {
    return "target.kubernetes.namespace " + kubernetes->ns + " is not the Model's own, " + ns;
  }
  return "";
}

}  // namespace

std::string overreach(const spec::Model& model, const std::string& ns) {
  constexpr const char* kFix =
      "; start tidegate with --trust-models where all who may write "
      "Models may do that";
  for (std::size_t i = 0; i < model.variants.size(); ++i) {
    const spec::Variant& variant = model.variants[i];
    std::string at = "spec.variants[" + std::to_string(i) + "].";
    if (std::string what = overreach(variant.target, ns); !what.empty()) return at + what + kFix;
    if (variant.engine.profile.find('/') != std::string::npos) {
      return at + "engine.profile reads a file" + kFix;
    }
  }
  if (!model.auth.upstream_key_env.empty()) {
    return std::string("spec.auth.upstreamKeyEnv sends a secret of Tidegate's environment") + kFix;
  }
  if (!model.front.bearer_token_file.empty()) {
    return std::string("spec.front.bearerTokenFile reads a file of Tidegate's machine") + kFix;
  }
  if (model.prometheus &&
      (!model.prometheus->bearer_token_file.empty() || !model.prometheus->ca_file.empty())) {
    return std::string("spec.prometheus reads a file of Tidegate's machine") + kFix;
  }
  return "";
}

ModelObject read_model(const json& object, const ModelRules& rules) {
  ModelObject out;
  const json& meta = part(object, "metadata");
  out.ns = text(meta, "namespace");
  out.name = text(meta, "name");
  out.uid = text(meta, "uid");
  out.model = rules.qualified ? out.ns + "/" + out.name : out.name;
  out.generation = kube::whole_number(meta, "generation").value_or(out.generation);
  out.created = kube::parse_time(text(meta, "creationTimestamp")).value_or(WallTime());
  if (const json& status = part(object, "status"); status.is_object()) out.status = status.dump();

  format::SpecFile file =
      format::load_spec(document_of(object, out), "Model " + out.ns + "/" + out.name);
  for (const auto& d : file.diagnostics) {
    add_line(d.severity == format::Severity::kError ? out.faults : out.warnings, d.message);
  }
  if (!out.faults.empty() || file.models.empty()) {
    if (out.faults.empty()) out.faults = "holds no Model";
    return out;
  }
  out.loaded = std::move(file.models.front());
  out.loaded->model.name = out.model;
  if (!rules.trusted) out.faults = overreach(out.loaded->model, out.ns);
  if (!out.faults.empty()) out.loaded.reset();
  return out;
}

}  // namespace tidegate::live
