// The keys of a Model outside scaling and variants: names, SLO, queue, priorities, auth.

#include "core/spec/bind.h"

namespace tidegate::spec {
namespace {

constexpr double kMiB = 1 << 20;

constexpr Option kAdapterRows[] = {
    option<&Adapter::name>("name").needed().like("sql-v2").says(
        "What clients send in `model` to use this LoRA adapter."),
    option<&Adapter::path>("path")
        .like("/adapters/sql-v2")
        .says("Where the engine finds it; give it where the engine should load it on start."),
};
constexpr Section kAdapter{"adapter", "A LoRA adapter that the engines of this model serve.",
                           kAdapterRows, defaults_of<Adapter>};

constexpr Option kSloRows[] = {
    option<&Slo::ttft>("ttft")
        .above(0, kHour)
        .otherwise("not part of the SLO")
        .like("{p99: 2s}")
        .says("Time to first token, with the share of requests that must keep it."),
    option<&Slo::itl>("itl")
        .above(0, 60)
        .otherwise("not part of the SLO")
        .like("{p95: 60ms}")
        .says("Inter-token latency of one request, (last - first) / (tokens - 1)."),
    option<&Slo::e2e>("e2e")
        .above(0, 24 * kHour)
        .otherwise("not part of the SLO")
        .like("{p95: 30s}")
        .says("Arrival to last token; give it where clients wait for whole answers."),
    option<&Slo::miss_cost_dollars>("missCost")
        .as(Kind::kMoney)
        .above(0, 1e6)
        .otherwise("the percentiles decide")
        .like("0.002")
        .says("Price of one request that misses the SLO; give it to buy capacity by money, not by "
              "percentile."),
};
constexpr Section kSlo{"slo", "What a good answer is. A request that will miss it is still served.",
                       kSloRows, defaults_of<Slo>};

constexpr Option kQueueRows[] = {
    option<&Queue::max_requests>("maxRequests")
        .between(1, 10'000'000)
        .says("Most requests that wait at the gateway; beyond it the lowest-value one gets 429."),
    option<&Queue::max_bytes>("maxBytes")
        .as(Kind::kBytes)
        .between(kMiB, 1024 * 1024 * kMiB)
        .says("Most bytes of bodies that wait; lower it where the gateway has little memory."),
    option<&Queue::max_wait>("maxWait")
        .between(0.1, 24 * kHour)
        .says("Deadline of a request that brings none of its own; raise it above the cold start to "
              "scale from zero."),
    option<&Queue::max_body_bytes>("maxBodyBytes")
        .as(Kind::kBytes)
        .between(1'024, 1024 * kMiB)
        .says("Largest body of one request; beyond it 413. Raise it for images in prompts."),
    option<&Queue::order>("order").says(
        "slo: who can still make slo.ttft goes before who is late already, one in eight excepted; "
        "arrival: as they came."),
    option<&Queue::pace_prefill>("pacePrefill")
        .says("Keep prompts waiting here while an engine that decodes would miss slo.itl for them; "
              "false to fill engines as fast as they take requests."),
};
constexpr Section kQueue{"queue",
                         "Requests wait here, not in the engines, until a replica has room.",
                         kQueueRows, defaults_of<Queue>};

constexpr Option kFrontRows[] = {
    option<&InFront::by>("by").says(
        "gateway: clients call Tidegate's; proxy: they reach the engines another way (a Service, "
        "llm-d, a proxy of yours), so demand is what the engines count."),
    option<&InFront::queue_metrics>("queueMetrics")
        .otherwise("nobody queues in front")
        .like("http://epp.llm-d:9090/metrics")
        .says("Metrics page of a proxy that queues: what llm-d's endpoint picker holds in its flow "
              "control waits, too, and wakes a model at zero."),
    option<&InFront::bearer_token_file>("bearerTokenFile")
        .otherwise("no token")
        .like("/var/run/secrets/kubernetes.io/serviceaccount/token")
        .says("File that holds a bearer token for that page, which llm-d's asks for by default; "
              "read again each time, as tokens are rotated."),
};
constexpr Section kFront{"front", "What stands between clients and engines.", kFrontRows,
                         defaults_of<InFront>};

constexpr Option kPriorityRows[] = {
    option<&PriorityClass::name>("name")
        .as(Kind::kLabel)
        .needed()
        .like("interactive")
        .says("What clients send in the header x-tidegate-priority."),
    option<&PriorityClass::weight>("weight")
        .between(1, 1'000'000)
        .says("Share of tokens against the other classes while all have requests waiting."),
};
constexpr Section kPriority{"priorityClass",
                            "A priority class; the first in the list is the most urgent.",
                            kPriorityRows, defaults_of<PriorityClass>};

constexpr Option kAuthRows[] = {
    option<&Auth::client_keys_env>("clientKeysEnv")
        .otherwise("no key asked")
        .like("[CLIENT_KEYS]")
        .says("Environment variables that hold the bearer keys clients may use, separated by "
              "commas."),
    option<&Auth::upstream_key_env>("upstreamKeyEnv")
        .otherwise("no key sent")
        .like("VLLM_API_KEY")
        .says("Environment variable that holds the key sent to the engines."),
};
constexpr Section kAuth{"auth",
                        "Keys, by the names of environment variables; never the keys themselves.",
                        kAuthRows, defaults_of<Auth>};

constexpr Option kPrometheusRows[] = {
    option<&Prometheus::url>("url")
        .needed()
        .like("http://prometheus.monitoring:9090")
        .says("Where its HTTP API is; a path before /api/v1 belongs to it (Mimir, Thanos)."),
    option<&Prometheus::bearer_token_file>("bearerTokenFile")
        .otherwise("no token")
        .like("/var/run/secrets/prometheus/token")
        .says("File that holds a bearer token; read again each time, as tokens are rotated."),
    option<&Prometheus::headers>("headers")
        .at_most(16)
        .otherwise("none")
        .like(R"({X-Scope-OrgID: "team-a"})")
        .says("Sent with every query. No secrets here: use bearerTokenFile."),
    option<&Prometheus::ca_file>("caFile")
        .otherwise("the system's authorities")
        .like("/etc/ssl/prometheus-ca.pem")
        .says("PEM of the authority that signed its certificate."),
    option<&Prometheus::interval>("interval")
        .between(1, kHour)
        .says("Time from one query to the next; more often than it scrapes brings nothing."),
    option<&Prometheus::timeout>("timeout").between(0.1, 300).says(
        "A query without an answer by then has failed."),
    option<&Prometheus::max_age>("maxAge").between(1, kHour).says(
        "Samples older than this are not known any more; keep it above two of its scrape "
        "intervals."),
};
constexpr Section kPrometheus{"prometheus", "The Prometheus that PromQL is asked of.",
                              kPrometheusRows, defaults_of<Prometheus>};

constexpr Option kModelRows[] = {
    option<&Model::served_names>("servedNames")
        .otherwise("[metadata.name]")
        .like("[Qwen/Qwen3-32B]")
        .says("Names clients may send in `model`; the engine is sent the first. Touch when clients "
              "use other names."),
    option<&Model::adapters>("adapters", kAdapter)
        .at_most(1'000)
        .says("LoRA adapters; each is a name of its own to clients."),
    option<&Model::slo>("slo", kSlo)
        .says("Latency objectives; scaling and reports are held against them."),
    option<&Model::scaling>("scaling", kScalingSection)
        .says("How many replicas, and when that changes."),
    option<&Model::queue>("queue", kQueue).says("Bounds of the gateway's queue of this model."),
    option<&Model::front>("front", kFront)
        .says("Who stands in front of the engines; give it where that is not Tidegate's gateway."),
    option<&Model::priority_classes>("priorityClasses", kPriority)
        .at_most(16)
        .otherwise("one class")
        .says(
            "Classes of requests, most urgent first; give them when some clients may wait longer."),
    option<&Model::prometheus>("prometheus", kPrometheus)
        .otherwise("none is asked")
        .says("Give it where a metric is written in PromQL, or engines cannot be scraped."),
    option<&Model::auth>("auth", kAuth).says("Who may call, and how the engines are called."),
    option<&Model::variants>("variants", kVariantSection)
        .needed()
        .at_most(32)
        .says("The ways to serve this model; at least one."),
};
constexpr Section kModel{"spec", "What clients ask for, and how it is served.", kModelRows,
                         defaults_of<Model>};

}  // namespace

const Section& model_section() { return kModel; }

}  // namespace tidegate::spec
