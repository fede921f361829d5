#include "cli/run.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>

#include "cli/admin_client.h"
#include "cli/spec_choice.h"
#include "format/spec_yaml.h"
#include "live/aws/spot_notice.h"
#include "live/fleet_link/tls.h"
#include "live/fleet_link/token.h"
#include "live/net/log.h"
#include "live/net/signals.h"
#include "live/run/gateway_runner.h"
#include "live/run/runner.h"

namespace tidegate::cli {
namespace {

/// One observation of what runs is enough to say what would be done.
constexpr Duration kDryRunLook = seconds(3);

void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

Result<std::optional<live::keda::ScalerOptions>> keda_of(const RunFlags& flags) {
  const live::rpc::ServerTls tls{flags.keda_cert, flags.keda_key, flags.keda_client_ca};
  if (flags.keda_address.empty()) {
    const bool any = !(flags.keda_cert + flags.keda_key + flags.keda_client_ca).empty();
    if (any) return fail("--keda-tls-* without --keda-address: the scaler is off");
    return std::nullopt;
  }
  auto address = net::parse_address(flags.keda_address);
  if (!address) return fail(address.error().within("--keda-address"));
  return live::keda::ScalerOptions{.listen = *address, .tls = tls};
}

Result<std::optional<live::external_metrics::Options>> external_metrics_of(const RunFlags& flags) {
  if (flags.external_metrics_address.empty()) return std::nullopt;
  auto address = net::parse_address(flags.external_metrics_address, "0.0.0.0");
  if (!address) return fail(address.error().within("--external-metrics-address"));
  live::external_metrics::Options out;
  out.listen = *address;
  out.certificate_file = flags.external_metrics_cert;
  out.key_file = flags.external_metrics_key;
  out.service = flags.external_metrics_service;
  if (flags.register_external_metrics) out.registration = live::external_metrics::Write::kYes;
  return out;
}

/// What a process alone has no use for is refused: it would be taken for in force.
Result<void> fits_role(const RunFlags& flags, live::Role role) {
  using live::Role;
  if (role == Role::kGateway && flags.leaders.empty()) {
    return fail("--role gateway: --leader HOST:PORT is missing: where is a controller?");
  }
  if (role != Role::kGateway && !flags.leaders.empty()) {
    return fail("--leader: only a gateway (--role gateway) looks for one");
  }
  if (role == Role::kAll && !flags.leader_elect) {
    const std::pair<bool, const char*> of_several[] = {
        {!flags.gateways.empty(), "--gateway-address"},
        {!flags.gateway_token_file.empty(), "--gateway-token-file"},
        {flags.gateway_plaintext, "--gateway-plaintext"}};
    for (const auto& [given, name] : of_several) {
      if (!given) continue;
      return fail(fmt::format(
          "{}: --role controller or gateway is missing, or --leader-elect for several of all",
          name));
    }
  }
  if (role != Role::kController &&
      !(flags.gateway_cert + flags.gateway_key + flags.gateway_client_ca).empty()) {
    return fail(role == Role::kAll
                    ? "--gateway-tls-*: of a controller (--role controller); several --role all "
                      "make certificates of their own"
                    : "--gateway-tls-*: of a controller (--role controller); a gateway has "
                      "--leader-tls-*");
  }
  if (role == Role::kController && !flags.drain_delay.empty()) {
    return fail("--drain-delay: of a gateway; a controller has no clients");
  }
  if (role != Role::kGateway && !(flags.leader_ca + flags.leader_cert + flags.leader_key).empty()) {
    return fail("--leader-tls-*: of a gateway (--role gateway); a controller has --gateway-tls-*");
  }
  if (role != Role::kGateway) return {};
  const std::pair<bool, const char*> controllers[] = {
      {flags.leader_elect, "--leader-elect"},
      {!flags.keda_address.empty(), "--keda-address"},
      {!flags.external_metrics_address.empty(), "--external-metrics-address"},
      {!flags.tape.empty(), "--tape"},
      {flags.dry_run, "--dry-run"},
      {flags.leave, "--leave"}};
  for (const auto& [given, name] : controllers) {
    if (given)
      return fail(fmt::format("{}: a gateway decides nothing; give it the controller", name));
  }
  return {};
}

/// Off loopback in the open only where that is asked for: a token would be read on the way.
Result<void> stream_tls_of(const RunFlags& flags, live::RunOptions& o) {
  o.gateways_tls = {flags.gateway_cert, flags.gateway_key, flags.gateway_client_ca};
  o.leaders_tls = {flags.leader_ca, flags.leader_cert, flags.leader_key};
  if (auto usable = live::link::check(o.leaders_tls); !usable) return usable;
  if (o.role == live::Role::kAll) {
    o.gateways_over_tls = !flags.gateway_plaintext && !live::is_loopback(o.gateways.host);
    return {};
  }
  const bool controller = o.role == live::Role::kController;
  const bool tls =
      controller ? !(flags.gateway_cert + flags.gateway_key).empty() : o.leaders_tls.on();
  if (tls && flags.gateway_plaintext) {
    return fail(fmt::format("--gateway-plaintext beside {}: one of them",
                            controller ? "--gateway-tls-cert" : "--leader-tls-ca"));
  }
  if (tls || flags.gateway_plaintext) return {};
  constexpr const char* kInTheOpen =
      ", or --gateway-plaintext where nobody else is on the way between them";
  if (controller && !live::is_loopback(o.gateways.host)) {
    return fail(
        fmt::format("--gateway-address {}: off loopback gateways come over TLS: "
                    "--gateway-tls-cert FILE and --gateway-tls-key FILE{}",
                    o.gateways.text(), kInTheOpen));
  }
  for (const net::Address& leader : o.leaders) {
    if (live::is_loopback(leader.host)) continue;
    return fail(
        fmt::format("--leader {}: off loopback a controller is reached over TLS: "
                    "--leader-tls-ca FILE, its CA{}",
                    leader.text(), kInTheOpen));
  }
  return {};
}

/// Who may tell us of demand or replicas must know the token, or be of this machine.
Result<void> role_of(const RunFlags& flags, live::RunOptions& o) {
  o.role = from_token<live::Role>(flags.role).value_or(live::Role::kAll);
  if (auto fits = fits_role(flags, o.role); !fits) return fits;
  for (const std::string& text : flags.leaders) {
    auto leader = net::parse_address(text);
    if (!leader) return fail(leader.error().within("--leader"));
    o.leaders.push_back(*leader);
  }
  // Of several --role all each says in the Lease where it is: any port will do.
  if (o.role == live::Role::kAll) o.gateways.port = 0;
  if (!flags.gateways.empty()) {
    auto listen = net::parse_address(flags.gateways, "0.0.0.0");
    if (!listen) return fail(listen.error().within("--gateway-address"));
    o.gateways = *listen;
  }
  if (!flags.gateway_token_file.empty()) {
    auto token = live::link::read_token(flags.gateway_token_file);
    if (!token) return fail(token.error().within("--gateway-token-file"));
    o.link_token = *token;
  }
  const bool open = o.role != live::Role::kGateway && !live::is_loopback(o.gateways.host);
  if (open && o.link_token.empty() && flags.gateway_client_ca.empty()) {
    return fail(
        fmt::format("--gateway-address {}: off loopback a token is a must: "
                    "--gateway-token-file FILE, the same for every {}",
                    o.gateways.text(),
                    o.role == live::Role::kAll ? "process of the Lease"
                                               : "gateway; or --gateway-tls-client-ca FILE"));
  }
  return stream_tls_of(flags, o);
}

Result<live::RunOptions> options_of(const RunFlags& flags) {
  live::RunOptions o;
  if (auto role = role_of(flags, o); !role) return fail(role.error());
  if (flags.files.empty() && !flags.models_from_cluster) {
    return fail("nothing to run: give -f FILE, or --models-from-cluster");
  }
  o.files = flags.files;
  if (flags.leader_elect) {
    o.leader = live::LeaderWish{.kubeconfig = flags.kubeconfig,
                                .context = flags.context,
                                .lease = flags.lease,
                                .ns = flags.lease_namespace};
  }
  if (flags.models_from_cluster) {
    o.cluster = live::FollowCluster{.kubeconfig = flags.kubeconfig,
                                    .context = flags.context,
                                    .namespaces = flags.namespaces,
                                    .all_namespaces = flags.all_namespaces,
                                    .trusted = flags.trust_models};
  }
  auto listen = net::parse_address(flags.listen, "0.0.0.0");
  if (!listen) return fail(listen.error().within("--listen"));
  o.gateway = *listen;
  o.gateway_certificate = flags.tls_cert;
  o.gateway_key = flags.tls_key;
  auto admin = net::parse_address(flags.admin);
  if (!admin) return fail(admin.error().within("--admin"));
  o.admin = *admin;
  if (!flags.probe_address.empty()) {
    auto probes = net::parse_address(flags.probe_address, "0.0.0.0");
    if (!probes) return fail(probes.error().within("--probe-address"));
    o.probes = *probes;
  }
  auto keda = keda_of(flags);
  if (!keda) return fail(keda.error());
  o.keda = *keda;
  auto external_metrics = external_metrics_of(flags);
  if (!external_metrics) return fail(external_metrics.error());
  o.external_metrics = *external_metrics;
  if (!(flags.time_scale > 0 && flags.time_scale <= 1000)) {
    return fail(fmt::format("--time-scale {}: above 0 and at most 1000", flags.time_scale));
  }
  o.state_dir = flags.state_dir;
  o.time_scale = flags.time_scale;
  o.seed = flags.seed;
  o.tape = flags.tape;
  if (auto parsed = duration_flag("--drain-delay", flags.drain_delay, o.drain_delay); !parsed) {
    return fail(parsed.error());
  }
  o.leave = flags.leave;
  o.dry_run = flags.dry_run;
  o.profile_dirs = format::profile_directories();
  if (const char* token = std::getenv("TIDEGATE_ADMIN_TOKEN"); token != nullptr)
    o.admin_token = token;
  return o;
}

/// Prints what would be applied; 3 where that differs from what runs.
int dry_run_verdict(live::Runner& runner) {
  bool change = false;
  for (const auto& model : runner.models()) {
    for (const auto& wanted : model->view().desired) {
      std::int64_t now = 0;
      for (const auto& [id, info] : model->replicas()) {
        const bool counts = info.state != control::ReplicaState::kDraining;
        if (info.variant == wanted.variant && counts) ++now;
      }
      change = change || now != wanted.replicas.value();
      fmt::print("{}/{}: {} now, {} wanted\n", model->name(), wanted.variant, now,
                 wanted.replicas.value());
    }
    for (const auto& reason : model->view().reasons) {
      fmt::print("  {} {} -> {}: {}\n", token(reason.code), reason.before, reason.after,
                 sentence(reason.code));
    }
  }
  return change ? 3 : 0;
}

/// The instance we and our engines run on is about to be taken.
struct SpotStop {
  static std::unique_ptr<SpotStop> create(net::Loop& loop, const std::function<void()>& stop) {
    auto metadata = live::aws::Metadata::address(live::kube::process_environment());
    if (metadata) return std::make_unique<SpotStop>(loop, *metadata, stop);
    report(metadata.error());
    return nullptr;
  }
  SpotStop(net::Loop& loop, const net::Address& metadata, const std::function<void()>& stop)
      : client(loop), notice(loop, client, metadata, [stop](const std::string& words) {
          net::log(net::Level::kWarn, "spot notice: this instance is taken; draining and stopping",
                   {{"notice", words}});
          stop();
        }) {}
  net::HttpClient client;
  live::aws::SpotNotice notice;
};

int serve(net::Loop& loop, live::Runner& runner, const RunFlags& flags) {
  const auto gateways = runner.gateways_address();
  const bool here = runner.gateway_address().port != 0;
  net::log(net::Level::kInfo, "serving",
           {{"gateway", here ? runner.gateway_address().text() : "elsewhere"},
            {"gateways", gateways ? "heard at " + gateways->text() : "this one"},
            {"admin", runner.admin_address().text()},
            {"keda", runner.keda() == nullptr ? "off" : runner.keda()->scaler().address().text()}});
  runner.begin();
  if (!flags.dry_run) return loop.run(), 0;
  loop.run_for(kDryRunLook);
  return dry_run_verdict(runner);
}

int serve_gateway(net::Loop& loop, live::GatewayRunner& runner, const RunFlags&) {
  net::log(
      net::Level::kInfo, "serving",
      {{"gateway", runner.gateway_address().text()}, {"admin", runner.admin_address().text()}});
  runner.begin();
  loop.run();
  return 0;
}

/// Makes it, and lets signals and a spot notice end it.
template <class Runner, class Serve>
int run_role(net::Loop& loop, live::RunOptions options, const RunFlags& flags, Serve serve_it) {
  std::unique_ptr<Runner> runner;
  auto stop = [&] {
    if (runner != nullptr) runner->shutdown([&] { loop.stop(); });
  };
  auto signals = net::Signals::create(loop, [&](int number) {
    if (runner == nullptr) return;
    if (number == SIGHUP) return runner->reload();
    net::log(net::Level::kInfo, "stopping: draining; a second signal stops at once");
    stop();
  });
  if (!signals) return report(signals.error());
  auto created = Runner::create(loop, std::move(options));
  if (!created) return report(created.error());
  runner = std::move(*created);
  std::unique_ptr<SpotStop> spot;
  if (flags.spot_notice) {
    spot = SpotStop::create(loop, stop);
    if (spot == nullptr) return 1;
  }
  return serve_it(loop, *runner, flags);
}

}  // namespace

int run(const RunFlags& flags) {
  auto options = options_of(flags);
  if (!options) {
    report(options.error());
    return 2;
  }
  net::configure_log(flags.log_level == "debug"   ? net::Level::kDebug
                     : flags.log_level == "warn"  ? net::Level::kWarn
                     : flags.log_level == "error" ? net::Level::kError
                                                  : net::Level::kInfo,
                     flags.log_format == "json" ? net::LogFormat::kJson : net::LogFormat::kText);
  raise_file_limit();
  auto loop = net::Loop::create();
  if (!loop) return report(loop.error());
  if (options->role == live::Role::kGateway) {
    return run_role<live::GatewayRunner>(**loop, std::move(*options), flags, serve_gateway);
  }
  return run_role<live::Runner>(**loop, std::move(*options), flags, serve);
}

}  // namespace tidegate::cli
