// Verbs that need no fleet: simulate, tune, size, calibrate.

#include "cli/calibrate.h"
#include "cli/simulate.h"
#include "cli/size.h"
#include "cli/tune.h"
#include "cli/verbs.h"

namespace tidegate::cli {
namespace {

/// What simulate and tune work on.
void input_flags(CLI::App* sub, SimInputFlags& o) {
  sub->add_option("-f,--file", o.spec, "spec or scenario file; targets are ignored")->required();
  sub->add_option("--trace", o.trace, "trace file, known by its header (a scenario has its own)");
  sub->add_option("--lengths", o.lengths, "token lengths for a rate series");
  sub->add_option("--model", o.model, "where the file has several");
  sub->add_option("--scale", o.scale, "multiplies the rate")->capture_default_str();
  sub->add_option("--speedup", o.speedup, "presses time")->capture_default_str();
  sub->add_option("--from", o.from, "where in the trace to start, e.g. 10m");
  sub->add_option("--until", o.until, "where to stop");
  sub->add_option("--policy", o.policies, "e.g. hpa,keda:5 (default: the file's)")->delimiter(',');
  sub->add_option("--behind", o.behind, "gateway (ours), or proxy: least requests, engines queue")
      ->check(CLI::IsMember({"gateway", "proxy"}));
  sub->add_option("--output-limit", o.output_limit,
                  "max_tokens of requests: exact, or unsaid: the router learns lengths")
      ->check(CLI::IsMember({"exact", "unsaid"}))
      ->capture_default_str();
  sub->add_option("--seed", o.seed, "default: the scenario's, else 1");
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
  input_flags(s, o.input);
  s->add_flag("--through-text", o.input.through_text,
              "read engines through vLLM's text: the same results, slower");
  s->add_option("--oracle-budget", o.oracle_budget, "requests the oracle's search may simulate")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 50))
      ->capture_default_str();
  s->add_option("--report", o.files.report, "write one HTML file with charts");
  s->add_option("--requests", o.files.requests, "write a CSV row for each request");
  s->add_option("--decisions", o.files.decisions, "write a CSV row for each decision");
  s->add_option("--chrome-trace", o.files.chrome_trace, "write trace events for ui.perfetto.dev");
  s->add_option("--format", o.format, "table or json")->check(kFormats);
}

void add_tune(CLI::App& app, int& code) {
  static TuneFlags o;
  auto* s = verb<TuneFlags>(
      app, "tune", "Find the knobs of a policy that reach an attainment at least cost",
      "  tidegate tune -f model.yaml --trace azure.csv --policy hpa,keda,concurrency\n"
      "  tidegate tune -f scenarios/ramp.yaml --policy keda --state tune.jsonl --out keda.yaml\n",
      tune, code, o);
  input_flags(s, o.input);
  s->add_option("--attainment", o.attainment, "share of requests that shall meet the SLO, (0, 1]")
      ->capture_default_str();
  s->add_option("--train", o.train, "share of the time to search on; the rest judges")
      ->capture_default_str();
  s->add_option("--runs", o.runs, "at most, a policy")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  s->add_option("--jobs", o.jobs, "threads; 0: all cores")
      ->check(CLI::Range(0, 1'024))
      ->capture_default_str();
  s->add_option("--out", o.out, "write the YAML of the best");
  s->add_option("--state", o.state, "keep finished runs here, and go on from them");
  s->add_option("--format", o.format, "table or json")->check(kFormats);
}

void add_calibrate(CLI::App& app, int& code) {
  static CalibrateFlags o;
  auto* s = verb<CalibrateFlags>(
      app, "calibrate", "Fit a profile to what a real engine did",
      "  tidegate calibrate --run runs/h100-llama --fit-first 100 --out h100-llama.yaml\n"
      "  tidegate calibrate --grid silicon.csv --select model=Qwen/Qwen3-32B,system=h100_sxm,tp=2 "
      "--out qwen3.yaml\n"
      "  tidegate calibrate --url http://gpu:8000 --slo-itl 60ms --slo-ttft 2s -o mine.yaml\n",
      calibrate, code, o);
  auto* run = s->add_option("--run", o.run, "directory that records requests one by one");
  auto* grid =
      s->add_option("--grid", o.grid, "CSV of TTFT and TPOT against lengths and concurrency")
          ->excludes(run);
  s->add_option("--url", o.url, "an OpenAI-compatible engine to measure now")
      ->excludes(run)
      ->excludes(grid);
  s->add_option("--model", o.model, "with --url: default the first it lists");
  s->add_flag("--chat", o.chat, "with --url: /v1/chat/completions instead of /v1/completions");
  s->add_option("--api-key-env", o.api_key_env, "with --url: variable that holds the key");
  s->add_option("--time-scale", o.time_scale, "with --url: world seconds in a wall second");
  s->add_option("--max-concurrency", o.max_concurrency,
                "with --url: default the engine's maxNumSeqs, else 256")
      ->check(CLI::Range(1, 4096));
  s->add_option("--budget", o.budget, "with --url: of time")->capture_default_str();
  s->add_option("--budget-tokens", o.budget_tokens, "with --url: prompts and answers")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  s->add_option("--prompt", o.prompt, "with --url: tokens, of sweep and recommendation")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  s->add_option("--output", o.output, "with --url: tokens")
      ->check(CLI::Range(16, 100'000))
      ->capture_default_str();
  s->add_option("--slo-ttft", o.slo_ttft, "with --url: recommend for it");
  s->add_option("--slo-itl", o.slo_itl, "with --url: recommend for it");
  s->add_option("-f,--file", o.spec, "with --url: a spec whose SLO to recommend for");
  s->add_option("--fit-first", o.fit_first, "with --run: requests whose times count; 0: all");
  s->add_option("--report", o.report, "with --run or --url: HTML with predicted over measured");
  s->add_option("--select", o.select, "with --grid: which rows, key=value,...")->delimiter(',');
  s->add_option("--holdout", o.holdout,
                "with --grid and --url: share of points kept out of the fit")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str();
  s->add_option("--kv-tokens", o.kv_tokens, "KV tokens of one rank, where not recorded");
  s->add_option("--kv-from", o.kv_from, "how --kv-tokens is known, for the provenance");
  s->add_option("--max-num-seqs", o.max_num_seqs, "with --grid and --url");
  s->add_option("--max-num-batched-tokens", o.max_num_batched_tokens, "with --grid and --url");
  s->add_option("-o,--out", o.out, "write the profile");
  s->add_option("--name", o.name, "of the profile; default: the file's or the run's");
  s->add_option("--source", o.source, "who measured, for the provenance");
  s->add_option("--seed", o.seed)->capture_default_str();
  s->add_option("--evaluations", o.evaluations, "replays to fit with; 0: the default");
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
  add_tune(app, code);
  add_size(app, code);
  add_calibrate(app, code);
}

}  // namespace tidegate::cli
