// A kustomization that runs Tidegate for one model beside its engines, with no right it does not
// use.
//
// Fields are those of kustomize 2.0 (Debian's kubectl 1.20) and later alike.

#include <algorithm>
#include <map>

#include "core/base/ascii.h"
#include "exchange/export.h"
#include "exchange/model_yaml.h"
#include "exchange/names.h"
#include "exchange/yaml.h"

namespace tidegate::exchange {
namespace {

constexpr std::int64_t kEnginePort = 8000;
constexpr std::string_view kImage = "tidegate:0.1.0";

bool makes_engine(const spec::Variant& variant) {
  return std::holds_alternative<spec::ProcessTarget>(variant.target) ||
         std::holds_alternative<std::monostate>(variant.target);
}

Yaml labels_of(const std::string& name) { return Yaml::map({{"app.kubernetes.io/name", name}}); }

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

Yaml command_of(const spec::Model& model, const spec::Variant& variant) {
  std::vector<std::string> words = {"vllm", "serve", "{model}", "--port", "{port}"};
  if (auto* process = std::get_if<spec::ProcessTarget>(&variant.target)) words = process->command;
  Yaml out = Yaml::list();
  for (std::string word : words) {
    word = replaced(std::move(word), "{model}", model.served_names.front());
    word = replaced(std::move(word), "{port}", std::to_string(kEnginePort));
    out.add(replaced(std::move(word), "{gpus}", std::to_string(variant.hardware.count)));
  }
  return out;
}

Yaml security(bool read_only) {
  Yaml out = Yaml::map({{"allowPrivilegeEscalation", false}});
  out.put("readOnlyRootFilesystem", read_only);
  out.put("capabilities", Yaml::map({{"drop", Yaml::list({"ALL"})}}));
  return out;
}

Yaml probe(std::string_view path, std::string_view port, int period, int failures) {
  Yaml out = Yaml::map();
  out.put("httpGet", Yaml::map({{"path", path}, {"port", port}}));
  out.put("periodSeconds", period);
  out.put("failureThreshold", failures);
  return out;
}

/// Ends when the engine runs and queues nothing, after that long, or where the image has no curl.
/// First two seconds in which those who route hear that the pod goes.
Yaml until_idle(std::int64_t seconds) {
  const std::string script =
      "sleep 2; for i in $(seq " + std::to_string(seconds) +
      "); do curl -sf -m 2 localhost:" + std::to_string(kEnginePort) +
      "/metrics | grep -E '^(vllm:num_requests_(running|waiting)|sglang:num_(running|queue)_reqs)' "
      "| grep -qv ' 0[.0]*$' || break; sleep 1; done";
  return Yaml::map({{"exec", Yaml::map({{"command", Yaml::list({"sh", "-c", script})}})}});
}

Yaml object(std::string_view api, std::string_view kind, std::string_view name,
            std::string_view ns) {
  Yaml out = Yaml::map({{"apiVersion", api}, {"kind", kind}});
  out.put("metadata", Yaml::map({{"name", name}, {"namespace", ns}}));
  return out;
}

Yaml engine(const Export& what, const spec::Variant& variant, const Place& place) {
  Yaml container = Yaml::map({{"name", "engine"}, {"image", what.options.engine_image}});
  container.put("command", command_of(what.model, variant));
  container.put("ports",
                Yaml::list({Yaml::map({{"name", "http"}, {"containerPort", kEnginePort}})}));
  if (variant.hardware.count > 0) {
    container.put("resources",
                  Yaml::map({{"limits", Yaml::map({{"nvidia.com/gpu", variant.hardware.count}})}}));
  }
  container.put("readinessProbe", probe("/health", "http", 2, 3));
  container.put("securityContext", security(false));
  auto* process = std::get_if<spec::ProcessTarget>(&variant.target);
  const Duration drain = process == nullptr ? seconds(120) : process->drain_timeout;
  const std::int64_t drain_seconds = drain.count() / 1'000'000'000;
  container.put("lifecycle", Yaml::map({{"preStop", until_idle(drain_seconds)}}))
      .say("On SIGTERM engines break off what they run: answers end first.");
  Yaml pod = Yaml::map();
  pod.put("terminationGracePeriodSeconds", drain_seconds + 30).say("The longest answer may end.");
  pod.put("automountServiceAccountToken", false);
  pod.put("containers", Yaml::list({std::move(container)}));
  Yaml spec = Yaml::map();
  spec.put("selector", Yaml::map({{"matchLabels", labels_of(place.name)}}))
      .say("No replicas here: the number is Tidegate's.");
  spec.put("template", Yaml::map({{"metadata", Yaml::map({{"labels", labels_of(place.name)}})},
                                  {"spec", std::move(pod)}}));
  Yaml out = object("apps/v1", "Deployment", place.name, place.ns);
  out.put("spec", std::move(spec));
  return out;
}

std::string resource_of(std::string_view kind) { return ascii::lower(kind) + "s"; }

/// Rights in each namespace: the scale of the named objects, and their pods.
std::string roles(const std::vector<Place>& places, const std::string& home) {
  std::map<std::string, std::vector<const Place*>> by_namespace;
  for (const Place& place : places) by_namespace[place.ns].push_back(&place);
  std::string out;
  for (const auto& [ns, of] : by_namespace) {
    Yaml rules = Yaml::list();
    for (const Place* place : of) {
      std::string group = place->api_version.substr(0, place->api_version.find('/'));
      if (place->api_version.find('/') == std::string::npos) group.clear();
      rules.add(Yaml::map({{"apiGroups", Yaml::list({group})},
                           {"resources", Yaml::list({resource_of(place->kind) + "/scale"})},
                           {"resourceNames", Yaml::list({place->name})},
                           {"verbs", Yaml::list({"get", "patch"})}}));
    }
    rules
        .add(Yaml::map({{"apiGroups", Yaml::list({""})},
                        {"resources", Yaml::list({"pods"})},
                        {"verbs", Yaml::list({"list", "watch", "patch"})}}))
        .say("patch: the deletion cost, by which victims are chosen.");
    Yaml role = object("rbac.authorization.k8s.io/v1", "Role", "tidegate", ns);
    role.put("rules", std::move(rules));
    Yaml binding = object("rbac.authorization.k8s.io/v1", "RoleBinding", "tidegate", ns);
    binding.put("roleRef", Yaml::map({{"apiGroup", "rbac.authorization.k8s.io"},
                                      {"kind", "Role"},
                                      {"name", "tidegate"}}));
    binding.put("subjects",
                Yaml::list({Yaml::map(
                    {{"kind", "ServiceAccount"}, {"name", "tidegate"}, {"namespace", home}})}));
    out += "---\n" + to_yaml(role) + "---\n" + to_yaml(binding);
  }
  return out;
}

Yaml tidegate_container() {
  Yaml out = Yaml::map({{"name", "tidegate"}, {"image", kImage}});
  out.put("args", Yaml::list({"run", "-f", "/etc/tidegate/model.yaml", "--listen", "0.0.0.0:8080",
                              "--probe-address", "0.0.0.0:8084", "--state", "/var/lib/tidegate",
                              "--log-format", "json"}));
  out.put("ports", Yaml::list({Yaml::map({{"name", "http"}, {"containerPort", 8080}}),
                               Yaml::map({{"name", "probes"}, {"containerPort", 8084}})}));
  out.put("livenessProbe", probe("/healthz", "probes", 10, 3));
  out.put("readinessProbe", probe("/readyz", "probes", 2, 3));
  out.put("resources", Yaml::map({{"requests", Yaml::map({{"cpu", "500m"}, {"memory", "256Mi"}})},
                                  {"limits", Yaml::map({{"memory", "1Gi"}})}}));
  out.put("securityContext", security(true));
  out.put("volumeMounts",
          Yaml::list({Yaml::map({{"name", "model"}, {"mountPath", "/etc/tidegate"}}),
                      Yaml::map({{"name", "state"}, {"mountPath", "/var/lib/tidegate"}})}));
  return out;
}

Yaml tidegate_deployment(const std::string& home) {
  Yaml pod = Yaml::map({{"serviceAccountName", "tidegate"}});
  pod.put("terminationGracePeriodSeconds", 150);
  pod.put("securityContext",
          Yaml::map({{"runAsNonRoot", true},
                     {"runAsUser", 65532},
                     {"fsGroup", 65532},
                     {"seccompProfile", Yaml::map({{"type", "RuntimeDefault"}})}}));
  pod.put("containers", Yaml::list({tidegate_container()}));
  pod.put("volumes",
          Yaml::list({Yaml::map({{"name", "model"},
                                 {"configMap", Yaml::map({{"name", "tidegate-model"}})}}),
                      Yaml::map({{"name", "state"}, {"emptyDir", Yaml::map()}})}));
  Yaml spec = Yaml::map({{"replicas", 1}});
  spec.put("strategy", Yaml::map({{"type", "Recreate"}})).say("One writer.");
  spec.put("selector", Yaml::map({{"matchLabels", labels_of("tidegate")}}));
  spec.put("template", Yaml::map({{"metadata", Yaml::map({{"labels", labels_of("tidegate")}})},
                                  {"spec", std::move(pod)}}));
  Yaml out = object("apps/v1", "Deployment", "tidegate", home);
  out.put("spec", std::move(spec));
  return out;
}

std::string tidegate_file(const std::vector<Place>& places, const std::string& home) {
  Yaml ports = Yaml::list();
  for (auto [name, port] : {std::pair{"http", 8080}, {"probes", 8084}}) {
    ports.add(Yaml::map({{"name", name}, {"port", port}, {"targetPort", name}}));
  }
  Yaml service = object("v1", "Service", "tidegate", home);
  service.put("spec",
              Yaml::map({{"selector", labels_of("tidegate")}, {"ports", std::move(ports)}}));
  return to_yaml(object("v1", "ServiceAccount", "tidegate", home)) + roles(places, home) + "---\n" +
         to_yaml(tidegate_deployment(home)) + "---\n" + to_yaml(service);
}

File kustomization(const Export& what, bool engines, const std::string& home) {
  Yaml resources = Yaml::list();
  if (engines) resources.add("engine.yaml");
  resources.add("tidegate.yaml");
  Yaml out =
      Yaml::map({{"apiVersion", "kustomize.config.k8s.io/v1beta1"}, {"kind", "Kustomization"}});
  out.put("resources", std::move(resources));
  Yaml config = Yaml::map({{"name", "tidegate-model"}, {"namespace", home}});
  config.put("files", Yaml::list({"model.yaml"}));
  out.put("configMapGenerator", Yaml::list({std::move(config)}));
  return {"kustomization.yaml",
          head_comment(what, "Tidegate and engines") + "#\n" +
              comment_lines("kubectl apply -k this folder. Images: build deploy/Dockerfile for "
                            "Tidegate; set the engines' own.") +
              to_yaml(out)};
}

}  // namespace

Result<std::vector<File>> export_kustomize(const Export& what) {
  spec::Model model = what.model;
  std::vector<Place> places;
  std::string engines;
  for (spec::Variant& variant : model.variants) {
    bool kubernetes = std::holds_alternative<spec::KubernetesTarget>(variant.target);
    if (!kubernetes && !makes_engine(variant)) continue;
    auto place = place_of(what.model, variant);
    if (!place) return fail(place.error());
    if (!kubernetes) {
      engines += (engines.empty() ? "" : "---\n") + to_yaml(engine(what, variant, *place));
      spec::KubernetesTarget target;
      target.name = place->name;
      target.ns = place->ns;
      target.port = kEnginePort;
      variant.target = target;
    }
    places.push_back(*place);
  }
  const std::string home = places.empty() ? "default" : places.front().ns;
  std::vector<File> out = {kustomization(what, !engines.empty(), home)};
  out.push_back({"model.yaml", to_yaml(model_document(model))});
  if (!engines.empty()) out.push_back({"engine.yaml", std::move(engines)});
  out.push_back({"tidegate.yaml", tidegate_file(places, home)});
  return out;
}

}  // namespace tidegate::exchange
