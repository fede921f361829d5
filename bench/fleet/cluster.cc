// bench_cluster: an API server (that of the tests) with a large fleet on it: Models, a Deployment
// for each, and its pods, all ready.
//
//   bench_cluster KUBECONFIG MODELS PODS_EACH ENGINE_PORT NAMESPACES POLICY
//
// Writes KUBECONFIG once it listens; pods have addresses of 127/8. A pod's status changes 33 times
// a second, as 10,000 pods do that change each 5 minutes. Takes orders by line on its standard
// input, and answers each with a line:
//   settled    how many Models' status says that all their pods are ready
//   requests   {"PATCH models/status": 12, ...}: what was asked since the last such order
//   quiet      no pod changes any more
//   respec     one Model more has another spec
//   relist     cuts all watches in the middle of a line and forgets their history: all is listed anew

#include <sys/epoll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "core/base/rng.h"
#include "kube/objects.h"
#include "live/kube/testing/api_server.h"

namespace {

using namespace tidegate;
using nlohmann::json;

constexpr const char* kModels = "tidegate.dev/v1alpha1";
constexpr Duration kChurn = millis(30);

struct Fleet {
  int models, pods_each, port, namespaces;
  std::string policy;
  std::string ns_of(int model) const { return fmt::format("serve-{}", model % namespaces); }
};

live::kube::ServedKind model_kind() {
  live::kube::ServedKind out;
  out.group = "tidegate.dev";
  out.version = "v1alpha1";
  out.plural = "models";
  out.singular = "model";
  out.kind = "Model";
  out.status = out.custom = true;
  out.schema = {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}};
  return out;
}

json model(const Fleet& fleet, int m) {
  const json target = {{"kubernetes", {{"name", bench::model_name(m)}, {"port", fleet.port}}}};
  const json variant = {{"name", "pods"},
                        {"minReplicas", fleet.pods_each},
                        {"maxReplicas", 2 * fleet.pods_each},
                        {"engine", {{"type", "vllm"}, {"maxNumSeqs", 64}}},
                        {"target", target}};
  return {{"metadata",
           {{"name", bench::model_name(m)}, {"namespace", fleet.ns_of(m)}, {"generation", 1}}},
          {"spec",
           {{"slo", {{"ttft", {{"p99", "2s"}}}}},
            {"scaling", {{"policy", fleet.policy}}},
            {"variants", json::array({variant})}}}};
}

/// "GET /apis/g/v1/namespaces/n/models/x/status?q" -> "GET models/status", "GET models/*": of one.
std::string sort_of(const std::string& request) {
  const auto space = request.find(' ');
  std::string path = request.substr(space + 1);
  const auto question = path.find('?');
  const bool watch = question != std::string::npos && path.find("watch=", question) != path.npos;
  path = path.substr(0, question);
  std::vector<std::string> words;
  for (std::size_t at = 1; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    words.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  std::size_t at = words[0] == "api" ? 2 : 3;
  if (words.size() > at + 2 && words[at] == "namespaces") at += 2;
  if (words.size() <= at) return "discovery";
  std::string out = (watch ? "WATCH " : request.substr(0, space + 1)) + words[at];
  if (words.size() > at + 1) out += words.size() > at + 2 ? "/" + words[at + 2] : "/*";
  return out;
}

class BenchCluster {
 public:
  BenchCluster(net::Loop& loop, Fleet fleet) : loop_(loop), server_(loop), fleet_(fleet) {
    server_.serve(model_kind());
    for (int m = 0; m < fleet_.models; ++m) {
      server_.put(kModels, "models", model(fleet_, m));
      server_.put("apps/v1", "deployments",
                  bench::deployment(fleet_.ns_of(m), m, fleet_.pods_each));
      for (int p = 0; p < fleet_.pods_each; ++p) {
        const int n = m * fleet_.pods_each + p;
        server_.put(
            "v1", "pods",
            bench::pod(fleet_.ns_of(m), m, n,
                       fmt::format("127.{}.{}.{}", 1 + n / 62'500, n / 250 % 250, 1 + n % 250)));
      }
    }
    pods_ = server_.all("v1", "pods", "");
    churn();
  }
  std::string url() const { return server_.url(); }

  std::string answer(const std::string& order) {
    if (order == "settled") return std::to_string(settled());
    if (order == "requests") return requests();
    if (order == "quiet") return std::exchange(churns_, false) ? "ok" : "was";
    if (order == "respec") {
      const int m = respecs_++ % fleet_.models;
      json changed = *server_.find(kModels, "models", fleet_.ns_of(m), bench::model_name(m));
      changed["spec"]["variants"][0]["maxReplicas"] = 2 * fleet_.pods_each + respecs_;
      changed["metadata"]["generation"] = 1 + respecs_;
      server_.put(kModels, "models", std::move(changed));
      return "ok";
    }
    if (order == "relist") {
      server_.cut_watches();
      touch(0);  // unseen
      server_.store().compact();
      return "ok";
    }
    return "unknown order";
  }

 private:
  void touch(std::size_t number) {
    const json& meta = pods_[number]->at("metadata");
    json changed = *server_.find("v1", "pods", meta["namespace"], meta["name"]);
    changed["status"]["touched"] = chance_.next();
    server_.put("v1", "pods", std::move(changed));
  }
  void churn() {
    if (!churns_) return;
    touch(chance_.below(pods_.size()));
    loop_.after(kChurn, [this] { churn(); });
  }
  int settled() const {
    int out = 0;
    for (const auto& object : server_.all(kModels, "models", "")) {
      const json status = object->value("status", json::object());
      out += status.value("readyReplicas", 0) == fleet_.pods_each ? 1 : 0;
    }
    return out;
  }
  std::string requests() {
    std::map<std::string, int> counted;
    for (const auto& request : std::exchange(server_.requests, {})) ++counted[sort_of(request)];
    return json(counted).dump();
  }

  net::Loop& loop_;
  live::kube::ApiServer server_;
  Fleet fleet_;
  std::vector<live::kube::ObjectPtr> pods_;
  Rng chance_{1, "churn"};
  bool churns_ = true;
  int respecs_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fputs("bench_cluster KUBECONFIG MODELS PODS_EACH ENGINE_PORT NAMESPACES POLICY\n", stderr);
    return 2;
  }
  auto loop = net::Loop::create().value();
  BenchCluster cluster(*loop, {std::atoi(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]),
                               std::atoi(argv[5]), argv[6]});
  std::string text;
  auto watched = loop->watch(STDIN_FILENO, EPOLLIN, [&](std::uint32_t) {
    char bytes[256];
    const auto got = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (got <= 0) std::exit(0);
    text.append(bytes, static_cast<std::size_t>(got));
    for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      std::puts(cluster.answer(text.substr(0, end)).c_str());
      std::fflush(stdout);
      text.erase(0, end + 1);
    }
  });
  if (!watched) return 1;
  std::ofstream(std::string(argv[1]) + ".new")
      << "current-context: c\nclusters: [{name: c, cluster: {server: \"" << cluster.url()
      << "\"}}]\ncontexts: [{name: c, context: {cluster: c, namespace: serve-0}}]\n";
  std::rename((std::string(argv[1]) + ".new").c_str(), argv[1]);
  loop->run();
}
