#pragma once
// For tests of the Kubernetes target: a cluster with a Deployment, and engines in its pods.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "live/actuate/kubernetes/kubernetes_actuator.h"
#include "live/actuate/test_world.h"
#include "live/kube/testing/cluster.h"
#include "live/kube/testing/given_server.h"
#include "live/net/http_server.h"

namespace tidegate::live {

/// An engine at each pod's address, all on one port: what is said to one is told by the Host. They
/// have the routes that an actuator uses, and misbehave on request (POST /deaf, /hear). The loop's
/// thread.
class TestEngines {
 public:
  struct Engine {
    bool asleep = false;
    bool deaf = false;              ///< neither sleeps nor wakes: 500
    std::int64_t requests = 0;      ///< it runs
    std::int64_t pages = 0;         ///< of its metrics that were read
    std::vector<std::string> told;  ///< what it was told to do, in order
  };
  explicit TestEngines(net::Loop& loop)
      : server_(loop, net::Limits{}, [this](const net::ExchangePtr& x) { answer(*x); }) {
    port_ = server_.listen({"0.0.0.0", 0}).value().port;
  }
  std::uint16_t port() const { return port_; }
  Engine& at(const net::Address& address) { return engines_[address.text()]; }
  bool sleep_routes = true;

 private:
  void answer(net::Exchange& x) {
    const net::Request& request = x.request();
    Engine& engine = engines_[std::string(request.headers.get("Host"))];
    const std::string& path = request.path;
    if (path == "/metrics") {
      ++engine.pages;
      return x.respond(200, {},
                       "vllm:num_requests_running{engine=\"0\"} " +
                           std::to_string(engine.requests) +
                           "\nvllm:num_requests_waiting{engine=\"0\"} 0\n");
    }
    if (path == "/deaf" || path == "/hear") {
      engine.deaf = path == "/deaf";
      return x.respond(200, {}, "");
    }
    if (!sleep_routes) return x.respond(404, {}, R"({"detail":"Not Found"})");
    if (path == "/is_sleeping") {
      return x.respond(200, {},
                       engine.asleep ? R"({"is_sleeping":true})" : R"({"is_sleeping":false})");
    }
    engine.told.push_back(request.target);
    if (engine.deaf) return x.respond(500, {}, "");
    if (path == "/sleep") engine.asleep = true;
    if (path == "/wake_up") engine.asleep = false;
    x.respond(200, {}, "");
  }

  net::HttpServer server_;
  std::uint16_t port_ = 0;
  std::map<std::string, Engine> engines_;
};

/// An API server with a cluster behind it, a Deployment `m`, and a kubeconfig that leads there. The
/// server is a real one where KUBEBUILDER_ASSETS says so.
struct Site {
  explicit Site(TestWorld& w, std::size_t few = 0)
      : world(w), clusters(w.loop(), kube::process_environment(), few) {
    kubeconfig = world.state_dir() + "/kubeconfig";
    std::ofstream(kubeconfig) << given.kubeconfig();
    cluster.deploy(ns, "m", 0);
  }
  std::unique_ptr<kube::Cluster> make_cluster() {
    kube::Cluster::Options options;
    if (given.real == nullptr)
      return std::make_unique<kube::Cluster>(world.loop(), server, options);
    options.ns = ns;
    return std::make_unique<kube::Cluster>(world.loop(), given.access(), options);
  }
  spec::Variant variant() const {
    spec::Variant v;
    v.name = "h100";
    spec::KubernetesTarget target;
    target.name = "m";
    target.ns = ns;
    target.kubeconfig = kubeconfig;
    target.port = engines.port();
    v.target = target;
    return v;
  }
  std::unique_ptr<Actuator> make(const spec::Variant& v) { return make(v, world.sink()); }
  std::unique_ptr<Actuator> make(const spec::Variant& v, ActuatorSink sink) {
    KubernetesOptions options;
    options.look_period = millis(5);
    options.look_spacing = Duration(0);
    options.informer.first_wait = millis(1);
    options.informer.longest_wait = millis(4);
    options.weights_label = [this](const spec::Variant&) { return weights_label; };
    spec::Model model;
    model.name = "m";
    return KubernetesActuator::create(
               {world.loop(), world.clock(), world.journal(), clusters, world.client()}, options,
               model, v, std::move(sink))
        .value();
  }
  std::unique_ptr<Actuator> make() { return make(variant()); }
  std::int64_t replicas() const { return cluster.replicas(ns, "m"); }

  TestWorld& world;
  TestEngines engines{world.loop()};
  kube::GivenServer given{world.loop()};
  kube::ApiServer& server = given.in_process;
  const std::string& ns = given.ns;
  std::unique_ptr<kube::Cluster> behind = make_cluster();
  kube::Cluster& cluster = *behind;
  kube::Clusters clusters;
  std::string kubeconfig;
  std::string weights_label;  ///< empty: nobody keeps weights
};

}  // namespace tidegate::live
