// What following a large fleet costs: 1,000 models of 10 pods each, a Kubernetes target per model,
// against the API server of the tests in a process of its own. Prints a line a phase.
//   kube_scale [MODELS] [PODS_EACH] [SECONDS]
//
// Phases: all targets resolved and all pods known; steady (a pod's status changes 33 times a
// second, as 10,000 pods do that change each 5 minutes; three models a second are scaled); all
// watches cut and their history gone, so that everything is listed anew. CPU is this process's own
// (user and system), memory its resident set, the peak within the phase.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "kube/objects.h"
#include "live/actuate/kubernetes/kubernetes_actuator.h"
#include "live/kube/testing/api_server.h"
#include "live/net/log.h"

namespace {

using namespace tidegate;
using live::kube::ApiServer;
using nlohmann::json;

using bench::model_name;

json pod(int model, int number) {
  return bench::pod("serve", model, number,
                    fmt::format("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255));
}

/// The child: serves until it is killed; a byte on `orders` cuts all watches and their history.
[[noreturn]] void serve(int models, int pods_each, int tell, int orders) {
  auto loop = net::Loop::create().value();
  ApiServer server(*loop);
  std::vector<std::string> pods;
  for (int m = 0; m < models; ++m) {
    server.put("apps/v1", "deployments", bench::deployment("serve", m, pods_each));
    for (int p = 0; p < pods_each; ++p) {
      json made = pod(m, m * pods_each + p);
      pods.push_back(made["metadata"]["name"]);
      server.put("v1", "pods", std::move(made));
    }
  }
  std::string url = server.url() + "\n";
  if (::write(tell, url.data(), url.size()) < 0) std::exit(1);
  Rng chance(1, "churn");
  std::function<void()> churn = [&] {
    auto number = chance.below(pods.size());
    json changed = *server.find("v1", "pods", "serve", pods[number]);
    changed["status"]["touched"] = chance.next();
    server.put("v1", "pods", std::move(changed));
    loop->after(millis(30), churn);
  };
  churn();
  auto watched = loop->watch(orders, 1 /* EPOLLIN */, [&](std::uint32_t) {
    char order = 0;
    if (::read(orders, &order, 1) != 1) std::exit(0);
    server.cut_watches();
    server.requests.clear();
    server.put("v1", "pods", json(*server.find("v1", "pods", "serve", pods[0])));  // unseen
    server.store().compact();
  });
  if (!watched) std::exit(1);
  loop->run();
  std::exit(0);
}

double cpu_seconds() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  auto of = [](timeval t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return of(use.ru_utime) + of(use.ru_stime);
}
double memory_mb(const std::string& what) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(what)) return std::atof(line.c_str() + what.size() + 1) / 1024;
  }
  return 0;
}
void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

/// Runs `what`, and says what it took.
void phase(const char* name, const std::function<void()>& what) {
  forget_peak();
  double cpu = cpu_seconds();
  Instant from = net::WorldClock::mono_now();
  what();
  double wall = to_seconds(net::WorldClock::mono_now() - from);
  cpu = cpu_seconds() - cpu;
  fmt::print(
      "{:<8} {:6.2f} s wall {:6.2f} s CPU {:5.1f} % of a core  now {:4.0f} MB  peak {:4.0f} MB\n",
      name, wall, cpu, 100 * cpu / wall, memory_mb("VmRSS:"), memory_mb("VmHWM:"));
  std::fflush(stdout);
}

std::unique_ptr<live::Actuator> actuator(const live::KubernetesWorld& world, int m,
                                         const std::string& kubeconfig,
                                         const live::ActuatorSink& sink) {
  spec::Variant variant;
  variant.name = "h100";
  spec::KubernetesTarget target;
  target.name = model_name(m);
  target.ns = "serve";
  target.kubeconfig = kubeconfig;
  variant.target = target;
  spec::Model model;
  model.name = model_name(m);
  live::KubernetesOptions options;
  options.informer.first_wait = millis(10);
  return live::KubernetesActuator::create(world, options, model, variant, sink).value();
}

}  // namespace

int main(int argc, char** argv) {
  const int models = argc > 1 ? std::atoi(argv[1]) : 1000;
  const int each = argc > 2 ? std::atoi(argv[2]) : 10;
  const int steady = argc > 3 ? std::atoi(argv[3]) : 60;
  int told[2], orders[2];
  if (::pipe(told) != 0 || ::pipe(orders) != 0) return 1;
  const int child = ::fork();
  if (child == 0) serve(models, each, told[1], orders[0]);
  std::string url;
  for (char c = 0; ::read(told[0], &c, 1) == 1 && c != '\n';) url.push_back(c);

  net::configure_log(net::Level::kError, net::LogFormat::kText);
  std::string folder = (std::filesystem::temp_directory_path() / "kube-scale-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  std::ofstream(folder + "/kubeconfig")
      << "current-context: c\nclusters: [{name: c, cluster: {server: \"" << url
      << "\"}}]\ncontexts: [{name: c, context: {cluster: c}}]\n";
  {
    auto loop = net::Loop::create().value();
    net::WorldClock clock;
    auto journal = live::Journal::open(folder + "/journal.db").value();
    live::kube::Clusters clusters(*loop);
    net::HttpClient client(*loop);
    std::int64_t ready = 0, applied = 0;
    live::ActuatorSink sink{[&](const live::ReplicaInfo& info) {
                              ready += info.state == control::ReplicaState::kReady ? 1 : 0;
                            },
                            [](const control::CapacityFailed&) {},
                            [&](const control::Applied& a) { applied += a.ok; }};
    std::vector<std::unique_ptr<live::Actuator>> all;
    for (int m = 0; m < models; ++m) {
      all.push_back(
          actuator({*loop, clock, *journal, clusters, client}, m, folder + "/kubeconfig", sink));
    }
    fmt::print("{} models, {} pods, {:.1f} KB a pod; {:.0f} MB before\n", models, models * each,
               double(pod(1, 1).dump().size()) / 1000, memory_mb("VmRSS:"));
    phase("start", [&] {
      for (auto& one : all) one->adopt();
      if (!loop->run_until([&] { return ready == models * each; }, seconds(300))) std::exit(1);
    });
    std::size_t next = 0;
    std::function<void()> scale = [&] {
      all[next++ % all.size()]->apply(
          {"h100", Replicas(each + static_cast<std::int64_t>(next / all.size()) % 2), {}});
      loop->after(millis(333), scale);
    };
    scale();
    phase("steady", [&] { loop->run_for(seconds(steady)); });
    phase("re-list", [&] {
      if (::write(orders[1], "x", 1) != 1) std::exit(1);
      loop->run_for(seconds(20));
    });
    fmt::print("{} ready told, {} numbers written\n", ready, applied);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  std::filesystem::remove_all(folder);
}
