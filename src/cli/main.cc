// tidegate: one verb, one file. This one reads the command line and nothing else.

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <functional>

#include "cli/aws_tracking.h"
#include "cli/check.h"
#include "cli/command_line.h"
#include "cli/demo.h"
#include "cli/engine.h"
#include "cli/exchange_verbs.h"
#include "cli/load.h"
#include "cli/operate.h"
#include "cli/replay.h"
#include "cli/run.h"
#include "cli/schema.h"
#include "cli/verbs.h"
#include "cli/weights.h"

namespace {

using namespace tidegate::cli;

void admin_flags(CLI::App* sub, AdminFlags& flags) {
  sub->add_option("--admin", flags.admin,
                  "admin address (default: $TIDEGATE_ADMIN, what run wrote to its state, :8081)");
  sub->add_option("--state", flags.state_dir, "state directory of the run")->capture_default_str();
}

void run_cluster_flags(CLI::App* sub, RunFlags& o) {
  cluster_flags(sub, o, "run the Model objects of a Kubernetes cluster, as they come and go",
                "its Models may run commands, read files and scale other namespaces");
  auto* elect = sub->add_flag("--leader-elect", o.leader_elect,
                              "of several that run, the one that holds a Lease applies numbers");
  sub->add_option("--lease", o.lease, "its name")->needs(elect)->capture_default_str();
  sub->add_option("--lease-namespace", o.lease_namespace,
                  "where it is (default: that of the context or pod)")
      ->needs(elect);
}

void keda_flags(CLI::App* sub, RunFlags& o) {
  sub->add_option("--keda-address", o.keda_address,
                  "serve KEDA's external scaler here, e.g. 0.0.0.0:8082 (default: off)")
      ->envname("TIDEGATE_KEDA_ADDRESS");
  sub->add_option("--keda-tls-cert", o.keda_cert, "its certificate (PEM); plaintext without");
  sub->add_option("--keda-tls-key", o.keda_key, "the certificate's key (PEM)");
  sub->add_option("--keda-tls-client-ca", o.keda_client_ca,
                  "callers must show a certificate of this CA (PEM)");
}

void role_flags(CLI::App* sub, RunFlags& o) {
  sub->add_option(
         "--role", o.role,
         "all: gateway and controller in one; controller: gateways are elsewhere; gateway: "
         "serves what the controller that leads tells it of")
      ->check(CLI::IsMember({"all", "controller", "gateway"}))
      ->capture_default_str();
  sub->add_option("--gateway-address", o.gateways,
                  "where who leads hears gateways; off loopback with a token alone (default: "
                  "127.0.0.1:8083; of several --role all a free port of 127.0.0.1)")
      ->envname("TIDEGATE_GATEWAY_ADDRESS");
  sub->add_option("--leader", o.leaders,
                  "role gateway: HOST:PORT of a controller, repeatable; of a name with several "
                  "addresses each is tried");
  sub->add_option("--gateway-token-file", o.gateway_token_file,
                  "a secret that controllers and gateways share, or several --role all");
  sub->add_option("--gateway-tls-cert", o.gateway_cert, "of a controller: its certificate (PEM)");
  sub->add_option("--gateway-tls-key", o.gateway_key, "the certificate's key (PEM)");
  sub->add_option("--gateway-tls-client-ca", o.gateway_client_ca,
                  "gateways must show a certificate of this CA (PEM)");
  sub->add_option("--leader-tls-ca", o.leader_ca, "of a gateway: the CA of that certificate (PEM)");
  sub->add_option("--leader-tls-cert", o.leader_cert,
                  "certificate (PEM) to show where a controller asks for one");
  sub->add_option("--leader-tls-key", o.leader_key, "the certificate's key (PEM)");
  sub->add_flag("--gateway-plaintext", o.gateway_plaintext,
                "no TLS between gateways and controllers, also off loopback");
}

void external_metrics_flags(CLI::App* sub, RunFlags& o) {
  auto* address = sub->add_option("--external-metrics-address", o.external_metrics_address,
                                  "serve external.metrics.k8s.io to HPAs here (HTTPS), e.g. :8443 "
                                  "(default: off)")
                      ->envname("TIDEGATE_EXTERNAL_METRICS_ADDRESS");
  auto* cert = sub->add_option("--external-metrics-cert", o.external_metrics_cert,
                               "its certificate (PEM); default: one of our own")
                   ->needs(address);
  auto* key = sub->add_option("--external-metrics-key", o.external_metrics_key,
                              "the certificate's key (PEM)");
  key->needs(cert);
  cert->needs(key);
  sub->add_option("--external-metrics-service", o.external_metrics_service,
                  "[NAMESPACE/]NAME of the Service that leads here")
      ->capture_default_str()
      ->needs(address);
  sub->add_flag("--register-external-metrics", o.register_external_metrics,
                "make the APIService where there is none, and keep ours up to date")
      ->needs(address);
}

void add_run(CLI::App& app, int& code) {
  static RunFlags o;
  auto* sub =
      verb<RunFlags>(app, "run", "Run gateway and autoscaler on this machine",
                     "  tidegate run -f model.yaml\n"
                     "  tidegate run -f model.yaml --dry-run     # what would change (exit 3)\n"
                     "  tidegate run -f model.yaml --time-scale 10 --tape tape.jsonl\n"
                     "  tidegate run --models-from-cluster --namespace serve\n"
                     "  tidegate run -f model.yaml --role controller\n"
                     "  tidegate run -f model.yaml --role gateway --leader localhost:8083 "
                     "--admin 127.0.0.1:8091 --state .gateway\n",
                     run, code, o);
  sub->add_option("-f,--file", o.files, "spec file, repeatable")->check(CLI::ExistingFile);
  run_cluster_flags(sub, o);
  sub->add_option("--listen", o.listen, "gateway address")
      ->envname("TIDEGATE_LISTEN")
      ->capture_default_str();
  auto* cert =
      sub->add_option("--tls-cert", o.tls_cert,
                      "the gateway speaks HTTPS with this certificate (PEM, chain included)");
  auto* key = sub->add_option("--tls-key", o.tls_key, "the certificate's key (PEM)");
  cert->needs(key);
  key->needs(cert);
  sub->add_option("--admin", o.admin, "admin address")
      ->envname("TIDEGATE_ADMIN")
      ->capture_default_str();
  sub->add_option("--probe-address", o.probe_address,
                  "serve /healthz, /readyz and /metrics here too, without a token");
  role_flags(sub, o);
  keda_flags(sub, o);
  external_metrics_flags(sub, o);
  sub->add_option("--state", o.state_dir, "journal, logs and addresses")->capture_default_str();
  sub->add_option("--time-scale", o.time_scale, "world seconds in one real second")
      ->capture_default_str();
  sub->add_option("--seed", o.seed, "seed of emulated engines")->capture_default_str();
  sub->add_option("--tape", o.tape, "write every event and action to this file");
  sub->add_option("--drain-delay", o.drain_delay,
                  "on SIGTERM serve on for so long, not ready, until load balancers know (5s)");
  sub->add_flag("--leave", o.leave, "leave the engines running on exit");
  sub->add_flag("--spot-notice", o.spot_notice,
                "on an EC2 spot instance: drain and stop when it is about to be taken");
  sub->add_flag("--dry-run", o.dry_run, "recommend only; exit 3 if something would change");
  log_flags(sub, o);
}

void add_operate(CLI::App& app, int& code) {
  static StatusOptions st;
  auto* s = verb<StatusOptions>(
      app, "status", "Show models, replicas, queue and why",
      "  tidegate status\n  tidegate status --cold-starts\n  tidegate status --format json\n",
      status, code, st);
  admin_flags(s, st.admin);
  s->add_option("--format", st.format, "table or json")->check(kFormats);
  s->add_flag("--cold-starts", st.cold_starts, "where the time of a start goes, by stage");

  static ExplainOptions ex;
  auto* e = verb<ExplainOptions>(app, "explain", "Show what a decision saw, and run it again",
                                 "  tidegate explain qwen3-32b\n"
                                 "  tidegate explain qwen3-32b --at 2026-11-22T06:30:00Z\n",
                                 explain, code, ex);
  admin_flags(e, ex.admin);
  e->add_option("MODEL", ex.model)->required();
  e->add_option("--at", ex.at, "the decision in force at this time (RFC 3339)");
  e->add_option("--last", ex.last, "how many records")->check(CLI::Range(1, 1000));
  e->add_option("--format", ex.format, "table or json")->check(kFormats);

  static ScaleOptions sc;
  auto* n = verb<ScaleOptions>(
      app, "scale", "Set a number of replicas by hand",
      "  tidegate scale qwen3-32b 4\n  tidegate scale qwen3-32b/h100-fp8 2\n", scale, code, sc);
  admin_flags(n, sc.admin);
  n->add_option("MODEL[/VARIANT]", sc.target)->required();
  n->add_option("N", sc.replicas)->required()->check(CLI::Range(0L, 1'000'000L));

  static PauseOptions pa;
  auto* p = verb<PauseOptions>(app, "pause", "Stop all changes but the operator's own",
                               "  tidegate pause qwen3-32b\n", pause, code, pa);
  admin_flags(p, pa.admin);
  p->add_option("MODEL", pa.model)->required();

  static ResumeOptions re;
  auto* r = verb<ResumeOptions>(
      app, "resume", "Act again, or act for a while",
      "  tidegate resume qwen3-32b\n  tidegate resume qwen3-32b --for 2h\n", resume, code, re);
  admin_flags(r, re.admin);
  r->add_option("MODEL", re.model)->required();
  r->add_option("--for", re.lasting, "act this long, then only recommend (timed mode)");

  static ReplayOptions rp;
  auto* t = verb<ReplayOptions>(app, "replay", "Run a tape through the core again and compare",
                                "  tidegate replay tape.jsonl\n", replay, code, rp);
  t->add_option("TAPE", rp.tape)->required();
  t->add_option("--format", rp.format, "table or json")->check(kFormats);
}

void add_files(CLI::App& app, int& code) {
  static CheckOptions ch;
  auto* c = verb<CheckOptions>(
      app, "check", "Check spec files: errors, advice, every value in force",
      "  tidegate check model.yaml\n  tidegate check --explain model.yaml\n", check, code, ch);
  c->add_option("FILE", ch.files, "spec files")->required();
  c->add_flag("--explain", ch.explain, "print every value in force and where it comes from");
  c->add_option_function<std::string>(
       "--format",
       [](const std::string& text) {
         ch.format = text == "json" ? OutputFormat::kJson : OutputFormat::kTable;
       },
       "table or json")
      ->check(kFormats);

  static SchemaOptions sm;
  auto* s = verb<SchemaOptions>(app, "schema", "Print the JSON Schema of a spec file, or the CRD",
                                "  tidegate schema > model.schema.json\n"
                                "  tidegate schema --scenario > scenario.schema.json\n"
                                "  tidegate schema --crd | kubectl apply -f -\n",
                                schema, code, sm);
  const struct {
    const char* flag;
    SchemaOutput output;
    const char* help;
  } outputs[] = {
      {"--scenario", SchemaOutput::kScenario, "of a scenario file: its Scenario and its Models"},
      {"--crd", SchemaOutput::kCrd, "the CustomResourceDefinition as YAML"},
      {"--docs", SchemaOutput::kDocs, "docs/configuration.md"},
      {"--scenario-docs", SchemaOutput::kScenarioDocs, "docs/scenarios.md"}};
  std::vector<CLI::Option*> before;
  for (const auto& row : outputs) {
    auto* flag = s->add_flag_callback(
        row.flag, [output = row.output] { sm.output = output; }, row.help);
    for (auto* other : before) flag->excludes(other);
    before.push_back(flag);
  }
}

void add_engine(CLI::App& app, int& code) {
  static EngineOptions o;
  auto* e =
      verb<EngineOptions>(app, "engine", "Run an emulated vLLM: API, metrics, batching, cold start",
                          "  tidegate engine my-model --port 8000 --cold-start 60s\n"
                          "  tidegate engine --time-scale 10 --fault crash-after=100\n",
                          engine, code, o);
  e->add_option("MODEL", o.model, "what clients name");
  e->add_option("--host", o.host)->capture_default_str();
  e->add_option("--port", o.port, "0: a free one")
      ->check(CLI::Range(0, 65'535))
      ->capture_default_str();
  e->add_option("--served-model-name", o.served_names, "instead of MODEL; several are aliases");
  e->add_option("--profile", o.profile, "profile name or file (default reference)");
  e->add_option("--max-num-seqs", o.max_num_seqs);
  e->add_option("--max-num-batched-tokens", o.max_num_batched_tokens);
  e->add_option("--max-model-len", o.max_model_len);
  e->add_option("--max-num-queued-reqs", o.max_num_queued_reqs, "waiting + running; over it 503");
  e->add_option("--data-parallel-size", o.data_parallel_size)->capture_default_str();
  e->add_flag("--no-enable-prefix-caching", o.no_enable_prefix_caching);
  e->add_option("--scheduling-policy", o.scheduling_policy)
      ->check(CLI::IsMember({"fcfs", "priority"}))
      ->capture_default_str();
  e->add_flag("--enable-lora", o.enable_lora);
  e->add_option("--max-loras", o.max_loras, "adapters in one batch")->capture_default_str();
  e->add_option("--lora-modules", o.lora_modules, "NAME=PATH ...");
  e->add_flag("--enable-sleep-mode", o.enable_sleep_mode);
  e->add_flag("--dev-mode", o.dev_mode, "as VLLM_SERVER_DEV_MODE=1");
  e->add_flag("--runtime-lora", o.runtime_lora, "as VLLM_ALLOW_RUNTIME_LORA_UPDATING=True");
  e->add_flag("--enable-server-load-tracking", o.enable_server_load_tracking);
  e->add_flag("--enable-prompt-tokens-details", o.enable_prompt_tokens_details);
  e->add_option("--api-key", o.api_key);
  e->add_option("--cold-start", o.cold_start,
                "60s, or image=40s,weights=20s,engine=25s/40s,wake1=2s (p50/p90)");
  e->add_option("--shutdown-timeout", o.shutdown_timeout)->capture_default_str();
  e->add_option("--seed", o.seed);
  e->add_option("--time-scale", o.time_scale, "world seconds in one real second");
  e->add_option("--fault", o.faults,
                "crash-after=N, hang-after=N, slow=X, lying-metrics=zero|garbage|frozen, "
                "refuse-health, exit-at-start");
  e->add_option("--log-level", o.log_level)
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  e->add_option("--log-format", o.log_format)->check(CLI::IsMember({"text", "json"}));
}

void add_load(CLI::App& app, int& code) {
  static LoadOptions o;
  auto* l = verb<LoadOptions>(
      app, "load", "Replay a trace against any OpenAI-compatible endpoint",
      "  tidegate load --url http://127.0.0.1:8080 --trace azure.csv\n"
      "  tidegate load --url http://gpu:8000 --trace rate.csv --lengths azure.csv "
      "--until 1h\n",
      load, code, o);
  l->add_option("--url", o.url, "http://host:port, with or without /v1")->required();
  l->add_option("--trace", o.trace, "trace file, known by its header")->required();
  l->add_option("--lengths", o.lengths, "token lengths for a rate series");
  l->add_option("--scale", o.scale, "multiplies the rate")->capture_default_str();
  l->add_option("--speedup", o.speedup, "presses the arrivals alone")->capture_default_str();
  l->add_option("--time-scale", o.time_scale, "world seconds in one real second")
      ->capture_default_str();
  l->add_option("--from", o.from, "where in the trace to start, e.g. 10m");
  l->add_option("--until", o.until, "where to stop");
  l->add_option("--model", o.model,
                "name for every request (default: the trace's, else /v1/models)");
  l->add_flag("--chat", o.chat, "/v1/chat/completions");
  l->add_option("--seed", o.seed)->capture_default_str();
  l->add_option("--format", o.format, "table or json")->check(kFormats);
  l->add_option("--slo-ttft", o.slo_ttft);
  l->add_option("--slo-itl", o.slo_itl);
  l->add_option("--slo-e2e", o.slo_e2e);
  l->add_option("-f,--file", o.spec, "take the SLO from this spec file");
  l->add_option("--timeout", o.timeout, "a whole request, world time")->capture_default_str();
  l->add_option("--api-key-env", o.api_key_env, "variable that holds the key to send");
  l->add_option("--max-open", o.max_open, "open requests; over it they are lost")
      ->capture_default_str();
}

void add_demo(CLI::App& app, int& code) {
  static DemoOptions o;
  auto* d = verb<DemoOptions>(app, "demo", "A fleet that scales itself, in about 90 seconds",
                              "  tidegate demo\n  tidegate demo --policy hpa --seconds 60\n", demo,
                              code, o);
  d->add_option("--seconds", o.seconds, "real seconds it takes")
      ->check(CLI::Range(10.0, 3600.0))
      ->capture_default_str();
  d->add_option("--policy", o.policy,
                "tide, concurrency, hpa, keda, kpa, targettracking, saturation, planner, static")
      ->capture_default_str();
  d->add_option("--seed", o.seed)->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{
      "Tidegate keeps an LLM inference fleet at the right size and sends every request to the "
      "right replica."};
  app.name(argc > 0 ? argv[0] : "tidegate");
  app.require_subcommand(1);
  app.set_version_flag("--version", "tidegate " TIDEGATE_VERSION);
  int code = 0;
  std::string command = "tidegate";
  for (int i = 1; i < argc; ++i) command += std::string(" ") + argv[i];
  add_run(app, code);
  add_operate(app, code);
  add_files(app, code);
  add_engine(app, code);
  add_load(app, code);
  add_simulating_verbs(app, command, code);
  add_exchange_verbs(app, code);
  add_aws_tracking(app, code);
  add_weights(app, code);
  add_demo(app, code);
  app.add_subcommand("completion", "Print completion for bash")->callback([&app] {
    fmt::print("{}", bash_completion(app));
  });
  app.add_subcommand("version", "Print the version")->callback([] {
    fmt::print("tidegate " TIDEGATE_VERSION "\n");
  });
  refuse_negative_counts(app);
  try {
    app.parse(words_of(argc, argv));
  } catch (const CLI::ParseError& error) {
    code = refused(app, error);
  } catch (const std::exception& error) {
    code = failed(error);
  }
  return finished(code);
}
