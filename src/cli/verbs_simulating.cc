// Verbs that need no fleet: simulate, size.

#include "cli/simulate.h"
#include "cli/size.h"
#include "cli/verbs.h"

namespace tidegate::cli {
namespace {

void trace_flags(CLI::App* sub, SimInputFlags& o) {
  sub->add_option("--trace", o.trace, "trace file, known by its header (a scenario has its own)");
  sub->add_option("--lengths", o.lengths, "token lengths for a rate series");
  sub->add_option("--model", o.model, "where the file has several");
  sub->add_option("--scale", o.scale, "multiplies the rate")->capture_default_str();
  sub->add_option("--speedup", o.speedup, "presses time")->capture_default_str();
  sub->add_option("--from", o.from, "where in the trace to start, e.g. 10m");
  sub->add_option("--until", o.until, "where to stop");
}

void add_simulate(CLI::App& app, const std::string& command, int& code) {
  static SimulateFlags o;
  o.command = command;
  auto* s = verb<SimulateFlags>(
      app, "simulate", "Play traffic against policies in a virtual world",
      "  tidegate simulate -f model.yaml --trace azure.csv --policy concurrency,hpa,oracle:0.99\n"
      "  tidegate simulate -f scenarios/flash-crowd-10x.yaml --report out.html\n"
      "  tidegate simulate -f model.yaml --trace rate.csv --lengths azure.csv --scale 0.1 "
      "--until 1d\n",
      simulate, code, o);
  s->add_option("-f,--file", o.input.spec, "spec or scenario file; targets are ignored")
      ->required();
  trace_flags(s, o.input);
  s->add_option("--policy", o.input.policies,
                "policies to compare, e.g. hpa,keda:5,oracle:0.99 (default: the file's)")
      ->delimiter(',');
  s->add_option("--behind", o.input.behind,
                "gateway (ours), or proxy: least requests, the engines queue")
      ->check(CLI::IsMember({"gateway", "proxy"}));
  s->add_option("--seed", o.input.seed, "default: the scenario's, else 1");
  s->add_option("--oracle-budget", o.oracle_budget, "requests the oracle's search may simulate")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 50))
      ->capture_default_str();
  s->add_option("--report", o.files.report, "write one HTML file with charts");
  s->add_option("--requests", o.files.requests, "write a CSV row for each request");
  s->add_option("--decisions", o.files.decisions, "write a CSV row for each decision");
  s->add_option("--chrome-trace", o.files.chrome_trace, "write trace events for ui.perfetto.dev");
  s->add_option("--format", o.format, "table or json")->check(kFormats);
}

void add_size(CLI::App& app, int& code) {
  static SizeFlags o;
  auto* s = verb<SizeFlags>(
      app, "size", "How many replicas a steady load wants, by arithmetic",
      "  tidegate size --qps 12 --latency 8s --max-num-seqs 64\n"
      "  tidegate size -f model.yaml --qps 12 --lengths azure.csv --price-per-mtok-in 0.5\n"
      "  tidegate size --profile reference --qps 12 --prompt 500 --output 500 --slo-ttft 1s\n",
      size, code, o);
  s->add_option("--qps", o.qps, "requests a second");
  s->add_option("--latency", o.latency, "of a request at that concurrency: Little's Law alone");
  s->add_option("-f,--file", o.spec, "spec file");
  s->add_option("--model", o.model, "where the spec has several");
  s->add_option("--profile", o.profile, "without a spec: a profile by name or file");
  s->add_option("--max-num-seqs", o.max_num_seqs, "sequences a replica runs at once");
  s->add_option("--kv-tokens", o.kv_tokens, "with --latency: KV tokens of a replica");
  s->add_option("--prompt", o.prompt, "tokens, mean");
  s->add_option("--output", o.output, "tokens, mean");
  s->add_option("--lengths", o.lengths, "a request trace to take lengths from");
  s->add_option("--target-utilization", o.target_utilization,
                "how full a replica shall be, (0, 1]");
  s->add_option("--cost-per-hour", o.cost_per_hour, "dollars, one replica");
  s->add_option("--slo-ttft", o.slo_ttft);
  s->add_option("--slo-itl", o.slo_itl);
  s->add_option("--price-per-mtok-in", o.price_in, "an API's price of a million prompt tokens");
  s->add_option("--price-per-mtok-out", o.price_out, "and of a million output tokens");
  s->add_option("--format", o.format, "table or json")->check(kFormats);
}

}  // namespace

void add_simulating_verbs(CLI::App& app, const std::string& command, int& code) {
  add_simulate(app, command, code);
  add_size(app, code);
}

}  // namespace tidegate::cli
