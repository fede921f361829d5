#include "sim/report/chrome_trace.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "sim/report/decision_text.h"

namespace tidegate::sim {
namespace {

using control::ReplicaState;
using Json = nlohmann::ordered_json;

/// Track ids in a process: replicas have their own number.
constexpr std::int64_t kDecisionTrack = 0;

double micros(Duration d) { return static_cast<double>(d.count()) / 1e3; }
double micros(Instant at) { return micros(at - Instant()); }

Json named(std::string_view what, std::int64_t pid, std::int64_t tid, Json args) {
  return {{"ph", "M"}, {"name", what}, {"pid", pid}, {"tid", tid}, {"args", std::move(args)}};
}

struct Counter {
  Channel channel;
  std::string_view name, unit;
};
constexpr Counter kCounters[] = {
    {Channel::kArrivals, "arrivals", "requests_per_second"},
    {Channel::kQueue, "queue", "requests"},
    {Channel::kRunning, "running", "requests"},
    {Channel::kTtftP99, "TTFT p99", "seconds"},
    {Channel::kDesired, "desired", "replicas"},
    {Channel::kReady, "ready", "replicas"},
    {Channel::kStarting, "starting", "replicas"},
    {Channel::kKvUsage, "KV usage", "share"},
};

}  // namespace

ChromeTrace::ChromeTrace(OutFile& file, const std::string& program) : file_(file) {
  Json other = {{"program", program}};
  file_.write("{\"displayTimeUnit\":\"ms\",\"otherData\":" +
              other.dump(-1, ' ', true, Json::error_handler_t::replace) + ",\"traceEvents\":[\n");
}

void ChromeTrace::event(const Json& event) {
  if (!std::exchange(first_, false)) file_.write(",\n");
  file_.write(event.dump(-1, ' ', true, Json::error_handler_t::replace));
}

void ChromeTrace::end() { file_.write("\n]}\n"); }

TraceRecorder::TraceRecorder(ChromeTrace& trace, const std::string& policy,
                             const spec::Model& model)
    : trace_(trace), pid_(trace.process()), sampler_(kTraceBuckets) {
  for (const spec::Variant& variant : model.variants) variants_.push_back(variant.name);
  trace_.event(named("process_name", pid_, 0, {{"name", policy + " · " + model.name}}));
  trace_.event(named("process_sort_index", pid_, 0, {{"sort_index", pid_}}));
  trace_.event(named("thread_name", pid_, kDecisionTrack, {{"name", "decisions"}}));
  trace_.event(named("thread_sort_index", pid_, kDecisionTrack, {{"sort_index", -1}}));
}

void TraceRecorder::request(const RequestRecord& r) {
  see(r.ended);
  bool early = requests_ < kTraceRequests;
  bool late_miss = !early && !r.met && missed_ < kTraceRequests;
  if (!early && !late_miss) {
    ++requests_left_;
    return;
  }
  ++(early ? requests_ : missed_);
  std::string id = fmt::format(
      "0x{:x}", (static_cast<std::uint64_t>(pid_) << 40) + static_cast<std::uint64_t>(r.number));
  auto edge = [&](char phase, std::string_view name, Instant at, Json args = nullptr) {
    Json event = {{"ph", std::string(1, phase)},
                  {"cat", "request"},
                  {"id", id},
                  {"name", name},
                  {"pid", pid_},
                  {"tid", kDecisionTrack},
                  {"ts", micros(at)}};
    if (!args.is_null()) event["args"] = std::move(args);
    trace_.event(event);
  };
  auto part = [&](std::string_view name, Instant from, Instant to) {
    edge('b', name, from);
    edge('e', name, to);
  };
  edge('b', "request", r.arrived,
       {{"number", r.number},
        {"ending", token(r.ending)},
        {"met", r.met},
        {"prompt_tokens", r.prompt_tokens},
        {"cached_tokens", r.cached_tokens},
        {"output_tokens", r.output_tokens},
        {"priority", r.priority},
        {"replica", r.replica.value()}});
  part("wait", r.arrived, r.dispatched.is_never() ? r.ended : r.dispatched);
  if (!r.dispatched.is_never()) {
    part("prefill", r.dispatched, r.first.is_never() ? r.ended : r.first);
  }
  if (!r.first.is_never()) part("decode", r.first, r.ended);
  edge('e', "request", r.ended);
}

bool TraceRecorder::shown(ReplicaId id, std::size_t variant) {
  if (replicas_ == kTraceReplicas) {
    ++replicas_left_;
    return false;
  }
  ++replicas_;
  auto tid = static_cast<std::int64_t>(id.value());
  std::string of = variant < variants_.size() ? " " + variants_[variant] : "";
  trace_.event(named("thread_name", pid_, tid, {{"name", fmt::format("replica {}{}", tid, of)}}));
  trace_.event(named("thread_sort_index", pid_, tid, {{"sort_index", tid}}));
  return true;
}

void TraceRecorder::span(ReplicaId id, std::string_view name, Instant from, Instant to) {
  trace_.event({{"ph", "X"},
                {"cat", "replica"},
                {"name", name},
                {"pid", pid_},
                {"tid", id.value()},
                {"ts", micros(from)},
                {"dur", micros(to - from)}});
}

void TraceRecorder::start_spans(const StartRow& start) {
  for (const Span& s : spans(start)) span(start.id, s.stage, s.from, s.to);
}

void TraceRecorder::close(ReplicaId id, Life& life, Instant at) {
  span(id, token(life.state), life.since, at);
}

void TraceRecorder::replica(Instant at, const Change& change) {
  see(at);
  sampler_.replica(change);
  auto start = log_.change(at, change);
  auto life = lives_.find(change.id);
  bool serves = change.state == ReplicaState::kReady || change.state == ReplicaState::kSleeping ||
                change.state == ReplicaState::kDraining;
  if (life != lives_.end()) {
    close(change.id, life->second, at);
  } else if (start || change.adopted) {
    if (!shown(change.id, change.variant)) return;
    if (start) start_spans(*start);
    if (serves && (!start || start->ready)) life = lives_.emplace(change.id, Life{}).first;
  }
  if (life == lives_.end()) return;
  if (serves) {
    life->second = {change.variant, change.state, at};
  } else {
    lives_.erase(life);
  }
}

void TraceRecorder::decision(const control::Decision& d, std::int64_t) {
  see(d.at);
  std::int64_t before = std::exchange(planned_, planned_total(d.plan));
  if (planned_ == before) return;
  if (decisions_ == kTraceDecisions) {
    ++decisions_left_;
    return;
  }
  ++decisions_;
  const Reason* bound = binding_reason(d.reasons);
  std::string why = bound == nullptr ? "" : " " + std::string(token(bound->code));
  std::string from = before < 0 ? "" : fmt::format("{}->", before);
  Json planned = Json::object();
  for (const plan::VariantPlan& variant : d.plan.variants) {
    planned[variant.variant] = variant.replicas.value();
  }
  trace_.event({{"ph", "i"},
                {"s", "p"},
                {"cat", "decision"},
                {"name", fmt::format("{}{}{}", from, planned_, why)},
                {"pid", pid_},
                {"tid", kDecisionTrack},
                {"ts", micros(d.at)},
                {"args",
                 {{"sequence", d.sequence},
                  {"applied", d.applied != 0},
                  {"planned_replicas", std::move(planned)},
                  {"reasons", reasons_text(d.reasons)}}}});
}

void TraceRecorder::sample(const Sample& sample) {
  see(sample.at);
  sampler_.sample(sample);
}

void TraceRecorder::counters() {
  for (const Counter& counter : kCounters) {
    double last = -1;
    for (const Bucket& bucket : sampler_.series().buckets()) {
      const Extent& seen = bucket[counter.channel];
      if (seen.count == 0 || seen.most == last) continue;
      last = seen.most;
      // A bucket of one sample is drawn at its instant, a longer one from its first.
      Instant at = bucket.samples == 1 ? bucket.to : bucket.from;
      trace_.event({{"ph", "C"},
                    {"name", counter.name},
                    {"pid", pid_},
                    {"ts", micros(at)},
                    {"args", {{counter.unit, last}}}});
    }
  }
}

void TraceRecorder::end() {
  counters();
  for (auto& [id, life] : lives_) close(id, life, last_);
  lives_.clear();
  for (const auto& [id, under_way] : log_.open()) {
    if (!shown(id, under_way.variant)) continue;
    StartRow cut = under_way;
    cut.ended = last_;
    start_spans(cut);
  }
  std::string labels;
  for (auto [count, what] : {std::pair{requests_left_, "requests"},
                             {replicas_left_, "replicas"},
                             {decisions_left_, "decisions"}}) {
    if (count == 0) continue;
    labels += fmt::format("{}{} {} not shown", labels.empty() ? "" : ", ", count, what);
  }
  if (!labels.empty()) trace_.event(named("process_labels", pid_, 0, {{"labels", labels}}));
}

}  // namespace tidegate::sim
