#include "live/gateway/gateway.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "live/gateway/front.h"
#include "live/gateway/lane.h"

namespace tidegate::live {
namespace {

/// How often a drain looks whether it is done, and how long it lets last bytes leave (wall).
constexpr Duration kDrainPoll = millis(5);
constexpr Duration kFlushGrace = seconds(1);

}  // namespace

struct Gateway::State : std::enable_shared_from_this<Gateway::State> {
  State(net::Loop& loop, net::HttpClient& client, const net::WorldClock& clock,
        GatewayOptions options)
      : parts(std::make_shared<GatewayParts>(
            GatewayParts{.loop = loop, .client = client, .clock = clock, .options = options})),
        front(clock) {}

  void index();
  Lane* find(const std::string& model) const;
  /// Every lane of that name: the one in force and those that left.
  template <class F>
  void each(const std::string& model, F f);
  void handle(const net::ExchangePtr& exchange);
  /// The widest of the options' and the models'.
  net::Limits limits() const;
  void break_off();
  void close();
  void poll_drain(Instant give_up);

  std::shared_ptr<GatewayParts> parts;
  std::vector<std::unique_ptr<Lane>> lanes;                     ///< in the order of the models
  std::vector<std::unique_ptr<Lane>> leaving;                   ///< closed, finishing what runs
  std::unordered_map<std::string, std::vector<Lane*>> by_name;  ///< the one in force first
  Front front;
  std::unique_ptr<net::HttpServer> server;
  bool ending = false;   ///< shutdown() was called
  bool closing = false;  ///< takes no new requests
  Instant flush_until = Instant::never();
  net::Loop::TimerId end_timer = net::Loop::TimerId::kNone;  ///< of drain_delay, then of the poll
  std::vector<std::function<void()>> done;
};

void Gateway::State::index() {
  by_name.clear();
  for (const auto* list : {&lanes, &leaving}) {
    for (const auto& lane : *list) by_name[lane->model().name].push_back(lane.get());
  }
}

Lane* Gateway::State::find(const std::string& model) const {
  auto found = by_name.find(model);
  return found == by_name.end() ? nullptr : found->second.front();
}

template <class F>
void Gateway::State::each(const std::string& model, F f) {
  auto found = by_name.find(model);
  if (found == by_name.end()) return;
  for (Lane* lane : found->second) f(*lane);
}

net::Limits Gateway::State::limits() const {
  net::Limits out = parts->options.limits;
  for (const auto& lane : lanes) {
    out.max_body_bytes = std::max(
        out.max_body_bytes,
        static_cast<std::size_t>(std::max<std::int64_t>(0, lane->model().queue.max_body_bytes)));
  }
  return out;
}

void Gateway::State::handle(const net::ExchangePtr& exchange) {
  if (closing) {
    return answer_outcome(*exchange, route::Outcome::kShuttingDown, seconds(1),
                          exchange->request().headers.get(kRequestIdHeader));
  }
  front.handle(exchange);
}

Gateway::Gateway(net::Loop& loop, net::HttpClient& client, const net::WorldClock& clock,
                 GatewayOptions options)
    : state_(std::make_shared<State>(loop, client, clock, options)) {}

Gateway::~Gateway() {
  state_->parts->loop.cancel(state_->end_timer);
  state_->parts->drained = nullptr;
}

void Gateway::set_models(std::vector<spec::Model> models) {
  State& s = *state_;
  std::vector<std::unique_ptr<Lane>> next;
  std::vector<Lane*> in_force;
  std::unordered_map<std::string, std::size_t> place;
  for (std::size_t i = 0; i < s.lanes.size(); ++i) place[s.lanes[i]->model().name] = i;
  for (auto& model : models) {
    auto known = place.find(model.name);
    if (known == place.end()) {
      next.push_back(std::make_unique<Lane>(s.parts, std::move(model)));
    } else {
      auto& lane = s.lanes[known->second];
      place.erase(known);
      lane->set_model(std::move(model));
      next.push_back(std::move(lane));
    }
    in_force.push_back(next.back().get());
  }
  s.front.serve(std::move(in_force));  // before anything that left is closed
  std::erase_if(s.leaving, [](const auto& lane) { return lane->idle(); });
  for (auto& lane : s.lanes) {
    if (!lane) continue;
    s.leaving.push_back(std::move(lane));
    s.leaving.back()->close();
  }
  s.lanes = std::move(next);
  s.index();
  if (s.server) s.server->set_max_body_bytes(s.limits().max_body_bytes);
}

Result<net::Address> Gateway::listen(const net::Address& address,
                                     std::shared_ptr<net::TlsServer> tls) {
  state_->server = std::make_unique<net::HttpServer>(
      state_->parts->loop, state_->limits(),
      [weak = std::weak_ptr(state_)](const net::ExchangePtr& exchange) {
        if (auto state = weak.lock()) state->handle(exchange);
      });
  return state_->server->listen(address, std::move(tls));
}

// ---- replicas ----

void Gateway::replica_up(const std::string& model, const route::ReplicaUp& up,
                         const net::Address& address) {
  if (Lane* lane = state_->find(model)) lane->replica_up(up, address);
}

void Gateway::replica_draining(const std::string& model, ReplicaId id) {
  state_->each(model, [&](Lane& lane) { lane.replica_draining(id); });
}

void Gateway::replica_down(const std::string& model, ReplicaId id) {
  state_->each(model, [&](Lane& lane) { lane.replica_down(id); });
}

std::optional<route::Scraped> scraped_of(ReplicaId id, const signal::ReplicaSignals& page) {
  using signal::SignalId;
  if (!page.has(SignalId::kRunningRequests)) return std::nullopt;
  auto or_zero = [&](SignalId signal) { return page.has(signal) ? page.value(signal) : 0.0; };
  auto count = [&](SignalId signal) {
    return static_cast<std::int64_t>(std::clamp(or_zero(signal), 0.0, 1e9));
  };
  return route::Scraped{
      .replica = id,
      .running = count(SignalId::kRunningRequests),
      .waiting = count(SignalId::kWaitingRequests),
      .kv_usage = or_zero(SignalId::kKvUsage),
      .preempted = page.has(SignalId::kPreemptions) ? count(SignalId::kPreemptions) : -1,
      .swapped = count(SignalId::kSwappedRequests)};
}

void Gateway::scraped(const std::string& model, ReplicaId id, const signal::ReplicaSignals& page) {
  if (const auto event = scraped_of(id, page)) told(model, *event);
}

void Gateway::told(const std::string& model, const route::Event& event) {
  state_->each(model, [&](Lane& lane) { lane.say(event); });
}

void Gateway::on_drained(Drained callback) { state_->parts->drained = std::move(callback); }

void Gateway::on_routed(Routed callback) {
  state_->parts->routed = std::move(callback);
  for (auto* list : {&state_->lanes, &state_->leaving}) {
    for (auto& lane : *list) lane->set_routed(state_->parts->routed);
  }
}

// ---- views ----

signal::Demand Gateway::demand(const std::string& model) const {
  const Lane* lane = state_->find(model);
  if (lane == nullptr) return {};
  signal::Demand demand = lane->host().demand();
  demand.judged_total = lane->traffic().judged;
  demand.met_total = lane->traffic().met;
  return demand;
}

control::GatewaySight Gateway::sight(const std::string& model, Duration window) const {
  control::GatewaySight out{.demand = demand(model)};
  latency_signals(model, window, out.ttft_p99_seconds, out.itl_p99_seconds);
  return out;
}

std::vector<route::ReplicaView> Gateway::replica_views(const std::string& model) const {
  const Lane* lane = state_->find(model);
  return lane == nullptr ? std::vector<route::ReplicaView>{} : lane->host().replicas();
}

route::Options Gateway::router_options(const std::string& model) const {
  const Lane* lane = state_->find(model);
  return lane == nullptr ? route::Options{} : lane->host().options();
}

void Gateway::latency_signals(const std::string& model, Duration window, signal::Signal& ttft,
                              signal::Signal& itl) const {
  ttft = itl = {};
  const Traffic* t = traffic(model);
  if (t == nullptr) return;
  Instant now = state_->parts->clock.now();
  auto fill = [&](const workload::RecentQuantile& recent, signal::Signal& signal) {
    std::int64_t seen = 0;
    double value = recent.quantile(0.99, now, window, seen);
    if (seen > 0) {
      signal = {value, now, signal::Source::kGateway, signal::Freshness::kFresh, 1};
    }
  };
  fill(t->recent_ttft, ttft);
  fill(t->recent_itl, itl);
}

const Traffic* Gateway::traffic(const std::string& model) const {
  const Lane* lane = state_->find(model);
  return lane == nullptr ? nullptr : &lane->traffic();
}

const std::map<int, std::int64_t>& Gateway::refused() const { return state_->front.refused(); }
std::size_t Gateway::open_requests() const { return state_->parts->open_requests; }

// ---- the end ----

void Gateway::State::break_off() {
  for (auto* list : {&lanes, &leaving}) {
    for (auto& lane : *list) lane->break_off();
  }
}

/// Done when no request is open and the last bytes have left, or cannot leave.
void Gateway::State::poll_drain(Instant give_up) {
  Instant now = net::WorldClock::mono_now();
  if (parts->open_requests > 0 && now >= give_up) break_off();
  if (parts->open_requests == 0) {
    if (flush_until.is_never()) flush_until = now + kFlushGrace;
    if (!server || server->connections() == 0 || now >= flush_until) {
      for (auto& callback : std::exchange(done, {})) callback();
      return;
    }
  }
  end_timer = parts->loop.after(kDrainPoll, [this, give_up] { poll_drain(give_up); });
}

/// No new requests from here on.
void Gateway::State::close() {
  closing = true;
  if (server) server->drain();
  for (auto& lane : lanes) lane->close();
  const Instant give_up = net::WorldClock::mono_now() + parts->options.drain_timeout;
  end_timer = parts->loop.after(Duration(0), [this, give_up] { poll_drain(give_up); });
}

void Gateway::shutdown(std::function<void()> done) {
  State& s = *state_;
  s.done.push_back(std::move(done));
  const bool again = std::exchange(s.ending, true);
  if (!again && s.server && s.parts->options.drain_delay > Duration(0)) {
    s.server->part();
    s.end_timer = s.parts->loop.after(s.parts->options.drain_delay, [&s] { s.close(); });
    return;
  }
  s.parts->loop.cancel(s.end_timer);
  if (again) s.break_off();
  s.close();
}

}  // namespace tidegate::live
