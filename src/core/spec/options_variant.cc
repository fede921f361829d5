// The keys under variants[]: hardware, engine, cold start and target.

#include "core/spec/bind.h"

namespace tidegate::spec {
namespace {

constexpr double kTB = 1e12;

constexpr Option kHardwareRows[] = {
    option<&Hardware::accelerator>("accelerator")
        .otherwise("any")
        .like("h100")
        .says("Kind of device, in your own words; variants of one kind share its quota."),
    option<&Hardware::count>("count").between(0, 1'024).says("Devices of one replica; 0 on a CPU."),
    option<&Hardware::fraction>("fraction")
        .above(0, 1)
        .says("Share of each device, for MIG and time-slicing."),
    option<&Hardware::interference>("interference")
        .between(1, 100)
        .says("Factor on step time from the neighbours on a shared device."),
};
constexpr Section kHardware{"hardware", "What one replica takes.", kHardwareRows,
                            defaults_of<Hardware>};

constexpr Option kEngineRows[] = {
    option<&Engine::type>("type").says("Which engine runs; decides how its metrics are read."),
    option<&Engine::profile>("profile")
        .like("qwen3-32b-fp8-h100")
        .says("How fast it is: a built-in name, NAME.yaml in a profile directory, or a path."),
    option<&Engine::max_num_seqs>("maxNumSeqs")
        .between(1, 100'000)
        .otherwise("the profile's")
        .like("64")
        .says("Most sequences in its batch; the same number as the engine's own flag."),
    option<&Engine::max_num_batched_tokens>("maxNumBatchedTokens")
        .between(1, 10'000'000)
        .otherwise("the profile's")
        .like("8192")
        .says("Most tokens in one step; the same number as the engine's own flag."),
    option<&Engine::data_parallel_size>("dataParallelSize")
        .between(1, 1'024)
        .says("Ranks behind one address; each has its own batch and KV."),
    option<&Engine::batching>("batching")
        .says("How the engine forms batches; continuous for every LLM engine of today."),
};
constexpr Section kEngine{"engine", "The engine of one replica.", kEngineRows, defaults_of<Engine>};

constexpr Option kWeightsRows[] = {
    option<&Weights::bytes>("bytes")
        .as(Kind::kBytes)
        .between(0, 100 * kTB)
        .like("27GB")
        .says("Size of the weights a start loads; with a bandwidth it gives the time."),
    option<&Weights::from>("from").says(
        "Where they come from: it has a bandwidth, which starts in parallel share."),
    option<&Weights::bandwidth_bytes_per_second>("bandwidth")
        .as(Kind::kBandwidth)
        .between(1e3, 100 * kTB)
        .otherwise("that of the source")
        .like("1.5GB/s")
        .says("Of the source as a whole; give what you measured."),
    option<&Weights::time>("time")
        .above(0, kDay)
        .otherwise("bytes / bandwidth")
        .like("40s")
        .says("The time itself, instead of bytes and bandwidth."),
    option<&Weights::source>("source")
        .otherwise("not kept")
        .like("hf://Qwen/Qwen3-32B@main")
        .says("What `tidegate weights keep` holds ready on GPU nodes: hf://OWNER/NAME[@REVISION], "
              "or the URL of a manifest."),
};
constexpr Section kWeights{"weights", "Loading the weights: bytes over a bandwidth, or a time.",
                           kWeightsRows, defaults_of<Weights>};

constexpr Option kColdStartRows[] = {
    option<&ColdStart::procurement>("procurement")
        .between(0, kDay)
        .like("{p50: 90s, p90: 4m}")
        .says("Until there is a node; leave it where nodes are always there."),
    option<&ColdStart::image>("image").between(0, kDay).like("40s").says(
        "Pulling the container image; leave it where images are on the node."),
    option<&ColdStart::weights>("weights", kWeights)
        .short_for("time")
        .says("Loading the weights; a bare duration is taken for weights.time."),
    option<&ColdStart::engine>("engine")
        .between(0, kDay)
        .like("{p50: 25s, p90: 40s}")
        .says("From weights loaded to the first token: compiling, capturing graphs."),
    option<&ColdStart::engine_cached>("engineCached")
        .between(0, kDay)
        .otherwise("as engine")
        .like("12s")
        .says("The same with a compiled engine of this exact GPU, CUDA and version at hand."),
    option<&ColdStart::wake_level1>("wakeLevel1")
        .between(0, kDay)
        .otherwise("never put to sleep")
        .like("1s")
        .says("Waking with the weights in host memory."),
    option<&ColdStart::wake_level2>("wakeLevel2")
        .between(0, kDay)
        .otherwise("never put to sleep")
        .like("8s")
        .says("Waking with the weights dropped."),
};
constexpr Section kColdStart{
    "coldStart", "Order to first token, by stage. What is measured takes over from what is said.",
    kColdStartRows, defaults_of<ColdStart>};

constexpr Option kWarmPoolRows[] = {
    option<&WarmPool::min_replicas>("minReplicas")
        .between(0, 10'000)
        .like("1")
        .says("On standby at all times; the policy may ask for more."),
    option<&WarmPool::max_replicas>("maxReplicas")
        .between(0, 10'000)
        .like("2")
        .says("Never more on standby, nor more of both than the variant's maxReplicas; 0: none."),
    option<&WarmPool::state>("state").says(
        "level1: an engine sleeps, its weights in host memory; level2: they are dropped; woken in "
        "coldStart.wakeLevel1 or wakeLevel2. cachedWeights: a machine without an engine, image and "
        "weights on its disk; cachedImage: the image alone; woken by the rest of a start."),
    option<&WarmPool::holds_device>("holdsDevice")
        .otherwise("true where an engine sleeps, else false")
        .like("false")
        .says("Whether one on standby keeps its accelerator; false: others may run on it, and "
              "waking waits until it is free."),
    option<&WarmPool::cost_per_hour_dollars>("costPerHour")
        .as(Kind::kMoney)
        .between(0, 1e6)
        .otherwise("the variant's where it holds its device, else 0")
        .like("0.40")
        .says("Dollars an hour of one on standby."),
};
constexpr Retired kWarmPoolRetired[] = {
    {"level", "write state: level1 in the place of level: 1, and state: level2 for level: 2"}};
constexpr Section kWarmPool{
    "warmPool",      "Replicas kept on standby, to be woken instead of started.",
    kWarmPoolRows,   defaults_of<WarmPool>,
    Choice::kAny,    {},
    kWarmPoolRetired};

constexpr Option kSenseRows[] = {
    option<&Sense::from>("from").says(
        "engines: each one's own metrics page; prometheus: what spec.prometheus has of them, where "
        "they cannot be reached."),
    option<&Sense::selector>("selector")
        .otherwise("every series of the engine's names")
        .like(R"('namespace="serve", job="vllm"')")
        .says("PromQL label matchers of this variant's engines, without braces."),
    option<&Sense::replica_label>("replicaLabel")
        .like("pod")
        .says("Label that tells replicas apart: its value is host:port, host or name of one."),
    option<&Sense::gpu_metrics>("gpuMetrics")
        .at_most(1'024)
        .otherwise("none")
        .like("[http://{host}:9400/metrics]")
        .says("Pages of DCGM exporters; {host} is the node of each replica. Shown and exported, "
              "never decided by."),
};
constexpr Section kSense{"sense", "How the engines are measured.", kSenseRows, defaults_of<Sense>};

constexpr Option kProcessRows[] = {
    option<&ProcessTarget::command>("command")
        .needed()
        .at_most(256)
        .like(R"(["vllm", "serve", "{model}", "--port", "{port}"])")
        .says("The engine's command; {port}, {model} and {gpus} are replaced in each word."),
    option<&ProcessTarget::env>("env")
        .at_most(256)
        .otherwise("none")
        .like(R"({HF_HUB_OFFLINE: "1"})")
        .says("Environment besides our own; CUDA_VISIBLE_DEVICES is set by the lease."),
    option<&ProcessTarget::health_path>("healthPath").says("Answers 200 once the engine serves."),
    option<&ProcessTarget::start_timeout>("startTimeout")
        .between(1, kDay)
        .says("A replica not healthy by then is stopped and tried again; keep it well above the "
              "cold start."),
    option<&ProcessTarget::drain_timeout>("drainTimeout")
        .between(0, kDay)
        .says("Requests in flight may finish for so long before the engine is stopped."),
    option<&ProcessTarget::stop_grace>("stopGrace").between(0, kHour).says("SIGTERM to SIGKILL."),
};
constexpr Section kProcess{"process", "Processes on this machine, started and stopped by Tidegate.",
                           kProcessRows, defaults_of<ProcessTarget>};

constexpr Option kExecRows[] = {
    option<&ExecTarget::scale_to>("scaleTo")
        .needed()
        .at_most(256)
        .like(R"(["./scale.sh", "{replicas}"])")
        .says("Command that makes it so; {replicas}, {model} and {variant} are replaced in each "
              "word."),
    option<&ExecTarget::list>("list")
        .at_most(256)
        .otherwise("the gateway has no replicas to route to")
        .like(R"(["./list.sh"])")
        .says("Command that prints the engines' URLs, one a line."),
    option<&ExecTarget::timeout>("timeout").between(1, kHour).says(
        "Either command is killed after this."),
};
constexpr Section kExec{"exec", "Anything else: a command that is told the number.", kExecRows,
                        defaults_of<ExecTarget>};

constexpr Option kKubernetesRows[] = {
    option<&KubernetesTarget::api_version>("apiVersion")
        .says("Of the object with a scale subresource."),
    option<&KubernetesTarget::kind>("kind").like("LeaderWorkerSet").says("Of that object."),
    option<&KubernetesTarget::name>("name").needed().like("qwen3-32b").says("Of that object."),
    option<&KubernetesTarget::ns>("namespace")
        .as(Kind::kLabel)
        .says("Of that object; the Model's own (metadata.namespace) where it is not given."),
    option<&KubernetesTarget::port>("port").between(1, 65'535).says(
        "Where the engine in each pod serves HTTP."),
    option<&KubernetesTarget::selector>("selector")
        .otherwise("what the scale's status.selector says")
        .like("app=qwen3-32b")
        .says("Label selector of its pods."),
    option<&KubernetesTarget::pending_timeout>("pendingTimeout")
        .between(0, kDay)
        .says("A pod that no node takes for so long is a lack of capacity; longer where nodes are "
              "provisioned on demand."),
    option<&KubernetesTarget::kubeconfig>("kubeconfig")
        .otherwise("$KUBECONFIG, the pod's service account, or ~/.kube/config")
        .like("~/.kube/config")
        .says("How to reach the cluster."),
    option<&KubernetesTarget::context>("context")
        .otherwise("the kubeconfig's current context")
        .like("prod")
        .says("Which of its clusters and users."),
};
constexpr Section kKubernetes{"kubernetes", "A scale subresource.", kKubernetesRows,
                              defaults_of<KubernetesTarget>};

constexpr Option kAwsRows[] = {
    option<&AwsAutoScalingGroupTarget::name>("name")
        .needed()
        .like("llm-h100")
        .says("Of the group."),
    option<&AwsAutoScalingGroupTarget::region>("region")
        .needed()
        .like("eu-central-1")
        .says("Of the group."),
    option<&AwsAutoScalingGroupTarget::port>("port").between(1, 65'535).says(
        "Where the engine on each instance serves HTTP, at its private address."),
    option<&AwsAutoScalingGroupTarget::health_path>("healthPath")
        .says("Answers 200 once the engine serves."),
    option<&AwsAutoScalingGroupTarget::pending_timeout>("pendingTimeout")
        .between(0, kDay)
        .says("An instance that has not come for so long is a lack of capacity; what AWS itself "
              "reports as failed is one at once."),
    option<&AwsAutoScalingGroupTarget::drain_timeout>("drainTimeout")
        .between(0, kDay)
        .says("Requests in flight may finish for so long before an instance is terminated."),
    option<&AwsAutoScalingGroupTarget::termination_hook>("terminationHook")
        .otherwise("none is completed")
        .like("drain")
        .says("Lifecycle hook of the group that holds a terminating instance; completed once it is "
              "drained."),
    option<&AwsAutoScalingGroupTarget::protect_from_scale_in>("protectFromScaleIn")
        .says("Instances are protected from every scale-in but ours."),
    option<&AwsAutoScalingGroupTarget::warm_pool_state>("warmPoolState")
        .says("What instances of the group's warm pool are between boots; used where "
              "warmPool.maxReplicas is above 0."),
    option<&AwsAutoScalingGroupTarget::publish_metrics>("publishMetrics")
        .says("LLMQueueDepth and DesiredReplicas go to CloudWatch each minute, namespace "
              "Tidegate."),
    option<&AwsAutoScalingGroupTarget::profile>("profile")
        .otherwise("$AWS_PROFILE, or the environment's credentials")
        .like("prod")
        .says("Of ~/.aws/config and ~/.aws/credentials."),
    option<&AwsAutoScalingGroupTarget::endpoint>("endpoint")
        .otherwise("AWS's own")
        .like("http://127.0.0.1:4566")
        .says("Of every AWS service, for tests."),
};
constexpr Section kAws{"awsAutoScalingGroup", "An AWS auto scaling group.", kAwsRows,
                       defaults_of<AwsAutoScalingGroupTarget>};

constexpr Option endpoints_row() {
  Option o;
  o.key = "endpoints";
  o.kind = Kind::kStringList;
  o.bind.set = [](void* owner, const Value& value) {
    if (auto* urls = std::get_if<std::vector<std::string>>(&value)) {
      *static_cast<Target*>(owner) = EndpointsTarget{*urls};
    }
  };
  o.bind.get = [](const void* owner) -> Value {
    auto* endpoints = std::get_if<EndpointsTarget>(static_cast<const Target*>(owner));
    return endpoints != nullptr ? Value{endpoints->urls} : Value{};
  };
  return o;
}

constexpr Option kTargetRows[] = {
    alternative<ProcessTarget>("process", kProcess).says("Processes on this machine."),
    endpoints_row()
        .at_most(10'000)
        .like("[http://10.0.0.7:8000]")
        .otherwise("not this target")
        .says("Engines that already run: requests are routed to them, the number is only "
              "recommended."),
    alternative<ExecTarget>("exec", kExec).says("A command that is told the number."),
    alternative<KubernetesTarget>("kubernetes", kKubernetes)
        .says("A Kubernetes scale subresource."),
    alternative<AwsAutoScalingGroupTarget>("awsAutoScalingGroup", kAws)
        .says("An AWS auto scaling group."),
};
constexpr Section kTarget{"target",
                          "What holds the replicas; exactly one of these.",
                          kTargetRows,
                          defaults_of<Target>,
                          Choice::kExactlyOne,
                          {}};

/// No target at all is no object, not an empty one.
constexpr Option target_row() {
  Option o = option<&Variant::target>("target", kTarget);
  o.bind.view = [](const void* owner) -> const void* {
    const Target& target = static_cast<const Variant*>(owner)->target;
    return std::holds_alternative<std::monostate>(target) ? nullptr : &target;
  };
  return o;
}

constexpr Option kVariantRows[] = {
    option<&Variant::name>("name")
        .as(Kind::kLabel)
        .otherwise("default")
        .like("h100-fp8")
        .says("Names it in reports, metrics and commands; needed where there are several."),
    option<&Variant::cost_per_hour_dollars>("costPerHour")
        .as(Kind::kMoney)
        .between(0, 1e6)
        .like("3.90")
        .says("Dollars an hour of one replica; decides between variants and is summed in reports."),
    option<&Variant::hardware>("hardware", kHardware).says("What one replica takes."),
    option<&Variant::min_replicas>("minReplicas")
        .between(0, 10'000)
        .otherwise("environment floor")
        .like("1")
        .says("Never fewer; 0 lets it go to zero."),
    option<&Variant::max_replicas>("maxReplicas").between(1, 10'000).like("8").says("Never more."),
    option<&Variant::engine>("engine", kEngine).says("The engine of one replica."),
    option<&Variant::cold_start>("coldStart", kColdStart)
        .says("How long a start takes, until it has been measured."),
    option<&Variant::warm_pool>("warmPool", kWarmPool)
        .says("Replicas kept on standby, to be woken instead of started."),
    option<&Variant::sense>("sense", kSense)
        .says("How its engines are measured; leave it where their own pages can be reached."),
    target_row().otherwise("none: for simulate only").says("What holds the replicas."),
};

}  // namespace

extern constexpr Section kVariantSection{"variant", "One way to serve the model.", kVariantRows,
                                         defaults_of<Variant>};

}  // namespace tidegate::spec
