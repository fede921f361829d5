#include "cli/exchange_verbs.h"

#include "cli/export.h"
#include "cli/import.h"

namespace tidegate::cli {
namespace {

void add_export(CLI::App& app, int& code) {
  static ExportFlags o;
  auto* s = verb<ExportFlags>(app, "export",
                              "Write manifests of other autoscalers, played in the simulator first",
                              "  tidegate export hpa -f model.yaml --trace azure.csv\n"
                              "  tidegate export keda -f model.yaml --follow --out manifests\n"
                              "  tidegate export kustomize -f model.yaml --out deploy/qwen && "
                              "kubectl apply -k deploy/qwen\n"
                              "  tidegate export rules > rules.yaml\n",
                              export_manifests, code, o);
  s->add_option("KIND", o.kind,
                "keda, hpa, prometheus-adapter, asg, grafana, kustomize, rules, prometheusrule")
      ->required();
  s->add_option("-f,--file", o.spec, "spec file (not for grafana, rules and prometheusrule)");
  s->add_option("--model", o.model, "where the file has several");
  s->add_option("--trace", o.traces, "traffic to simulate on, repeatable; default: a made day");
  s->add_option("--until", o.until, "where in each trace to stop");
  s->add_option("--scale", o.scale, "multiplies the traces' rate")->capture_default_str();
  s->add_option("--seed", o.seed)->capture_default_str();
  s->add_flag("--no-simulation", o.no_simulation, "do not play it first; the comment says nothing");
  s->add_flag("--follow", o.follow, "keda, hpa: follow Tidegate's number, no law of its own");
  s->add_flag("--active", o.active, "without the safe start (paused, no scale-down)");
  auto* out = s->add_option("--out", o.out, "folder to write to; default: stdout");
  s->add_flag("--diff", o.diff, "show what would change in --out and write nothing; exit 3 if so")
      ->needs(out);
  s->add_option("--kubernetes", o.kubernetes,
                "version of the server; from 1.35 HPA has a tolerance")
      ->capture_default_str();
  s->add_option("--prometheus", o.prometheus, "address KEDA asks");
  s->add_option("--scaler", o.scaler, "host:port of Tidegate's KEDA scaler");
  s->add_option("--engine-image", o.engine_image, "kustomize: image of the engines");
}

void add_import(CLI::App& app, int& code) {
  static ImportFlags o;
  auto* s = verb<ImportFlags>(
      app, "import", "Turn another autoscaler's manifest into a spec, and name its traps",
      "  tidegate import keda scaledobject.yaml > model.yaml && tidegate check model.yaml\n"
      "  kubectl get hpa llama -o yaml | tidegate import hpa -\n",
      import_manifest, code, o);
  s->add_option("KIND", o.kind, "keda, hpa, knative, variantautoscaling")->required();
  s->add_option("FILE", o.file, "- for standard input")->required();
}

}  // namespace

void add_exchange_verbs(CLI::App& app, int& code) {
  add_export(app, code);
  add_import(app, code);
}

}  // namespace tidegate::cli
