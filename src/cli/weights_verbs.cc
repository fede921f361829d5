// The sub-verbs of `tidegate weights` on the command line.

#include "cli/verbs.h"
#include "cli/weights.h"

namespace tidegate::cli {
namespace {

void place(CLI::App* sub, WeightsFlags& o) {
  sub->add_option("--to", o.to, "the folder that holds the weights")
      ->envname("TIDEGATE_WEIGHTS")
      ->required();
}

void fetching(CLI::App* sub, WeightsFlags& o) {
  sub->add_option("--manifest", o.manifest,
                  "file or URL: sets as YAML documents, {name, from} or {files: [{path, size, "
                  "sha256, url}]}");
  sub->add_option("--capacity", o.capacity,
                  "most bytes of all sets, e.g. 500GB; what was used longest ago is evicted");
  sub->add_option("--bandwidth", o.bandwidth, "of all connections together, e.g. 1.5GB/s");
  sub->add_option("--connections", o.connections, "at once")->capture_default_str();
  sub->add_option("--range", o.range, "most bytes of one request")->capture_default_str();
  sub->add_option("--include", o.include, "only files like this pattern, repeatable");
  sub->add_option("--exclude", o.exclude, "no files like this pattern, repeatable");
  sub->add_option("--endpoint", o.endpoint,
                  "of hf:// sources (default: $HF_ENDPOINT, https://huggingface.co)");
  sub->add_option("--token-file", o.token_file, "for the endpoint (default: $HF_TOKEN)");
  sub->add_option("--ca-file", o.ca_file, "authorities to trust instead of the system's (PEM)");
}

void add_keep(CLI::App& app, int& code) {
  static WeightsFlags o;
  auto* keep = verb<WeightsFlags>(
      app, "keep", "Keep what Models or a manifest name on this node, and label the node",
      "  tidegate weights keep --to /cache --capacity 2TB --node $NODE_NAME "
      "--models-from-cluster -A\n"
      "  tidegate weights keep --to /cache --manifest weights.yaml --metrics-address :9402\n",
      weights_keep, code, o);
  place(keep, o);
  fetching(keep, o);
  keep->add_option("--node", o.node, "label this node weights.tidegate.dev/NAME=ready");
  cluster_flags(keep, o, "keep coldStart.weights.source of each Model's variants",
                "their sources may be files of this node and plain http");
  keep->add_option("--metrics-address", o.metrics_address, "serve /metrics and /healthz here");
  keep->add_option("--every", o.every, "how often all is looked at again")->capture_default_str();
  log_flags(keep, o);
}

}  // namespace

void add_weights(CLI::App& app, int& code) {
  CLI::App* sub = app.add_subcommand("weights", "Models' weights on this machine's disk");
  sub->require_subcommand(1);
  sub->footer(
      "Examples:\n"
      "  tidegate weights fetch --from hf://Qwen/Qwen3-32B@main --to /models\n"
      "  tidegate weights list --to /models\n");

  static WeightsFlags f;
  auto* fetch = verb<WeightsFlags>(
      *sub, "fetch", "Fetch a set, checked; goes on where it was stopped",
      "  tidegate weights fetch --from hf://Qwen/Qwen3-32B@main --to /models\n"
      "  tidegate weights fetch --from https://host/m/ --to /models --bandwidth 1GB/s\n"
      "  tidegate weights fetch --manifest weights.yaml --to /models --capacity 500GB\n",
      weights_fetch, code, f);
  place(fetch, f);
  fetch->add_option("--from", f.from,
                    "hf://OWNER/NAME[@REVISION], or the URL of a manifest (.yaml, .json), of a "
                    "folder with SHA256SUMS (ends with /), or of a file (repeatable)");
  fetch->add_option("--name", f.name, "of the set (default: made of the source)");
  fetching(fetch, f);
  fetch->add_option("--format", f.format, "table or json")->check(kFormats);

  static WeightsFlags l;
  auto* list = verb<WeightsFlags>(*sub, "list", "Show what is there",
                                  "  tidegate weights list --to /models\n", weights_list, code, l);
  place(list, l);
  list->add_option("--format", l.format, "table or json")->check(kFormats);

  static WeightsFlags v;
  auto* verify =
      verb<WeightsFlags>(*sub, "verify", "Read every byte again and compare",
                         "  tidegate weights verify --to /models\n", weights_verify, code, v);
  place(verify, v);
  verify->add_option("NAME", v.names, "sets (default: all)");
  verify->add_option("--format", v.format, "table or json")->check(kFormats);

  static WeightsFlags e;
  auto* evict = verb<WeightsFlags>(*sub, "evict", "Remove sets that nobody uses",
                                   "  tidegate weights evict Qwen--Qwen3-32B --to /models\n",
                                   weights_evict, code, e);
  place(evict, e);
  evict->add_option("NAME", e.names, "sets")->required();

  add_keep(*sub, code);
}

}  // namespace tidegate::cli
