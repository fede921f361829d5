#include "live/fleet_link/wire.h"

#include <algorithm>

namespace tidegate::live::link {
namespace {

constexpr std::size_t kMaxText = 256;  ///< of a name; models' are shorter
/// Counts beyond are nonsense, and sums of them would overflow.
constexpr std::int64_t kMost = std::int64_t{1} << 48;

std::int64_t sane(std::int64_t n) { return std::clamp<std::int64_t>(n, 0, kMost); }
std::int64_t sane_or_all(std::int64_t n) { return std::clamp<std::int64_t>(n, -1, kMost); }
std::string text(const std::string& s) { return s.substr(0, kMaxText); }
net::Address address(const std::string& host, std::uint32_t port) {
  return {text(host), static_cast<std::uint16_t>(std::min(port, 65535U))};
}
constexpr std::int64_t kMaxGateways = 1 << 16;

void write(const signal::Demand& d, wire::Demand& out) {
  out.set_queued_requests(d.queued_requests);
  out.set_queued_tokens(d.queued_tokens);
  out.set_queued_bytes(d.queued_bytes);
  out.set_dispatched_requests(d.dispatched_requests);
  out.set_oldest_wait_nanos(d.oldest_wait.count());
  out.set_arrived_total(d.arrived_total);
  out.set_finished_total(d.finished_total);
  out.set_rejected_total(d.rejected_total);
  out.set_prompt_tokens_total(d.prompt_tokens_total);
  out.set_output_tokens_total(d.output_tokens_total);
  out.set_expected_output_tokens_total(d.expected_output_tokens_total);
  out.set_expected_kv_token_steps_total(d.expected_kv_token_steps_total);
  out.set_queued_kv_token_steps(d.queued_kv_token_steps);
  out.set_queued_output_tokens(d.queued_output_tokens);
  out.set_credit_requests(d.credit_requests);
  out.set_withheld_requests(d.withheld_requests);
  out.set_judged_total(d.judged_total);
  out.set_met_total(d.met_total);
}

signal::Demand read(const wire::Demand& d) {
  constexpr std::int64_t kLongest = seconds(10 * 365 * 86400LL).count();
  return {.queued_requests = sane(d.queued_requests()),
          .queued_tokens = sane(d.queued_tokens()),
          .queued_bytes = sane(d.queued_bytes()),
          .dispatched_requests = sane(d.dispatched_requests()),
          .oldest_wait = nanos(std::clamp<std::int64_t>(d.oldest_wait_nanos(), 0, kLongest)),
          .arrived_total = sane(d.arrived_total()),
          .finished_total = sane(d.finished_total()),
          .rejected_total = sane(d.rejected_total()),
          .prompt_tokens_total = sane(d.prompt_tokens_total()),
          .output_tokens_total = sane(d.output_tokens_total()),
          .expected_output_tokens_total = sane(d.expected_output_tokens_total()),
          .queued_output_tokens = sane(d.queued_output_tokens()),
          .expected_kv_token_steps_total = sane(d.expected_kv_token_steps_total()),
          .queued_kv_token_steps = sane(d.queued_kv_token_steps()),
          .credit_requests = sane(d.credit_requests()),
          .withheld_requests = sane(d.withheld_requests()),
          .judged_total = sane(d.judged_total()),
          .met_total = sane(d.met_total())};
}

template <class Rows>
void write(const Buckets& buckets, Rows& out) {
  for (const auto& [index, count] : buckets) {
    auto* row = out.Add();
    row->set_index(static_cast<std::uint32_t>(index));
    row->set_count(count);
  }
}

template <class Rows>
Buckets read_buckets(const Rows& rows) {
  Buckets out;
  for (const auto& row : rows) out.emplace_back(row.index(), sane(row.count()));
  return out;
}

void write(const ReplicaNews& r, wire::Replica& out) {
  out.set_id(r.up.replica.value());
  out.set_host(r.address.host);
  out.set_port(r.address.port);
  out.set_variant(r.up.variant);
  out.set_draining(r.draining);
  out.set_max_requests(r.up.max_requests);
  out.set_kv_tokens(r.up.kv_tokens);
  out.set_max_prefill_tokens(r.up.max_prefill_tokens);
  out.set_c0_fs(r.up.c0_fs);
  out.set_c1_fs(r.up.c1_fs);
  out.set_c2_fs(r.up.c2_fs);
  out.set_c3_fs(r.up.c3_fs);
  out.set_c4_fs(r.up.c4_fs);
  out.mutable_share()->set_requests(r.share.max_requests);
  out.mutable_share()->set_kv_tokens(r.share.kv_tokens);
  out.mutable_share()->set_prefill_mille(r.share.prefill_mille);
  if (r.scrapes == 0) return;
  out.mutable_scrape()->set_count(r.scrapes);
  out.mutable_scrape()->set_running(r.scraped.running);
  out.mutable_scrape()->set_waiting(r.scraped.waiting);
  out.mutable_scrape()->set_kv_usage(r.scraped.kv_usage);
}

ReplicaNews read(const wire::Replica& r) {
  const ReplicaId id(r.id());
  ReplicaNews out;
  out.up = {.replica = id,
            .variant = r.variant(),
            .max_requests = sane(r.max_requests()),
            .kv_tokens = sane(r.kv_tokens()),
            .max_prefill_tokens = sane(r.max_prefill_tokens()),
            .c0_fs = sane(r.c0_fs()),
            .c1_fs = sane(r.c1_fs()),
            .c2_fs = sane(r.c2_fs()),
            .c3_fs = sane(r.c3_fs()),
            .c4_fs = sane(r.c4_fs())};
  out.address = address(r.host(), r.port());
  out.draining = r.draining();
  out.share = {.replica = id,
               .max_requests = sane_or_all(r.share().requests()),
               .kv_tokens = sane_or_all(r.share().kv_tokens()),
               .prefill_mille = sane_or_all(r.share().prefill_mille())};
  out.scrapes = r.scrape().count();
  out.scraped = {.replica = id,
                 .running = sane(r.scrape().running()),
                 .waiting = sane(r.scrape().waiting()),
                 .kv_usage = r.scrape().kv_usage()};
  return out;
}

}  // namespace

wire::FromGateway to_wire(const Hello& hello) {
  wire::FromGateway out;
  out.mutable_hello()->set_name(hello.name);
  out.mutable_hello()->set_incarnation(hello.incarnation);
  out.mutable_hello()->set_version(hello.version);
  out.mutable_hello()->set_protocol(hello.protocol);
  out.mutable_hello()->set_gateways(static_cast<std::uint32_t>(hello.gateways));
  for (const InForce& share : hello.shares) {
    auto* row = out.mutable_hello()->add_shares();
    row->set_model(share.model);
    row->set_host(share.address.host);
    row->set_port(share.address.port);
    row->mutable_share()->set_requests(share.requests);
    row->mutable_share()->set_kv_tokens(share.kv_tokens);
  }
  return out;
}

wire::FromGateway to_wire(const Report& report) {
  wire::FromGateway out;
  out.set_acked(report.acked);
  out.set_leaving(report.leaving);
  for (const ModelReport& model : report.models) {
    auto* row = out.add_models();
    row->set_model(model.model);
    write(model.demand, *row->mutable_demand());
    write(model.ttft, *row->mutable_ttft());
    write(model.itl, *row->mutable_itl());
    for (const Held& held : model.replicas) {
      auto* replica = row->add_replicas();
      replica->set_replica(held.replica.value());
      replica->set_requests(held.requests);
      replica->set_tokens(held.tokens);
      replica->set_ended(held.ended);
    }
  }
  return out;
}

wire::FromLeader to_wire(const News& news) {
  wire::FromLeader out;
  out.set_version(news.version);
  out.set_leader(news.leader);
  out.set_gateways(static_cast<std::uint32_t>(news.gateways));
  for (const ModelNews& model : news.models) {
    auto* row = out.add_models();
    row->set_model(model.model);
    row->set_all(model.all);
    for (const ReplicaNews& replica : model.replicas) write(replica, *row->add_replicas());
  }
  return out;
}

Hello hello_of(const wire::Hello& from) {
  Hello out{text(from.name()), from.incarnation(), text(from.version()), from.protocol(),
            std::min<std::int64_t>(from.gateways(), kMaxGateways)};
  for (const auto& row : from.shares()) {
    out.shares.push_back({text(row.model()), address(row.host(), row.port()),
                          sane(row.share().requests()), sane(row.share().kv_tokens())});
  }
  return out;
}

Report report_of(const wire::FromGateway& from) {
  Report out{.acked = from.acked(), .leaving = from.leaving()};
  for (const auto& row : from.models()) {
    ModelReport model{.model = text(row.model()), .demand = read(row.demand())};
    model.ttft = read_buckets(row.ttft());
    model.itl = read_buckets(row.itl());
    for (const auto& held : row.replicas()) {
      model.replicas.push_back({ReplicaId(held.replica()), sane(held.requests()),
                                sane(held.tokens()), sane(held.ended())});
    }
    out.models.push_back(std::move(model));
  }
  return out;
}

News news_of(const wire::FromLeader& from) {
  News out{.version = from.version(), .leader = text(from.leader()), .gateways = from.gateways()};
  for (const auto& row : from.models()) {
    ModelNews model{.model = text(row.model()), .all = row.all()};
    for (const auto& replica : row.replicas()) {
      if (replica.id() != 0) model.replicas.push_back(read(replica));
    }
    out.models.push_back(std::move(model));
  }
  return out;
}

}  // namespace tidegate::live::link
