#include "cli/demo_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace tidegate::cli {
namespace {

constexpr std::size_t kColumns = 60;

/// The last values as eight heights of block characters.
std::string sparkline(const std::deque<double>& values) {
  static constexpr const char* kBlocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double top = 1e-9;
  for (double v : values) top = std::max(top, v);
  std::string out;
  for (double v : values) {
    out += kBlocks[static_cast<std::size_t>(std::clamp(v / top * 8 + 0.5, v > 0 ? 1.0 : 0.0, 8.0))];
  }
  return out;
}

/// '#' ready, '+' starting, '-' draining, '.' room up to eight.
std::string replicas_bar(std::int64_t ready, std::int64_t starting, std::int64_t draining) {
  std::string bar(static_cast<std::size_t>(ready), '#');
  bar += std::string(static_cast<std::size_t>(starting), '+');
  bar += std::string(static_cast<std::size_t>(draining), '-');
  if (bar.size() < 8) bar.resize(8, '.');
  return bar;
}

std::string clock_of_day(double share) {
  const int minutes = static_cast<int>(std::clamp(share, 0.0, 1.0) * 24 * 60);
  return fmt::format("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
}

void push(std::deque<double>& values, double v) {
  values.push_back(v);
  if (values.size() > kColumns) values.pop_front();
}

}  // namespace

DemoView::Frame DemoView::look(live::ModelRun& model, live::Gateway& gateway,
                               const live::LoadResult& load) {
  Frame f;
  f.world = to_seconds(load.world);
  const signal::Demand demand = gateway.demand(model.name());
  f.queue = demand.queued_requests;
  f.in_flight = demand.queued_requests + demand.dispatched_requests;
  if (f.world > world_before_) {
    f.rate =
        static_cast<double>(demand.arrived_total - arrived_before_) / (f.world - world_before_);
  }
  arrived_before_ = demand.arrived_total;
  world_before_ = f.world;
  for (const auto& v : model.last_observation().variants) {
    f.ready += v.fleet.ready.value();
    f.starting += v.fleet.ordered.value() + v.fleet.starting.value();
    f.draining += v.fleet.draining.value();
  }
  const control::View view = model.view();
  for (const auto& d : view.desired) f.desired += d.replicas.value();
  const auto& ttft = model.last_observation().ttft_p99_seconds;
  if (!ttft.absent()) f.ttft_p99 = ttft.value;
  if (const Reason* r = binding_reason(view.reasons); r != nullptr) {
    f.why = fmt::format("{}: {}", token(r->code), sentence(r->code));
  }
  return f;
}

void DemoView::draw(live::ModelRun& model, live::Gateway& gateway, const live::LoadResult& load) {
  const Frame f = look(model, gateway, load);
  if (tty_) {
    push(rates_, f.rate);
    push(ready_, static_cast<double>(f.ready));
    paint(f, load, model.ledger().cost_dollars());
    return;
  }
  fmt::print(
      "{} {:5.1f} req/s  queue {:4}  in flight {:4}  replicas {} ({} of {})  TTFT p99 {}  {}\n",
      clock_of_day(f.world / span_), f.rate, f.queue, f.in_flight,
      replicas_bar(f.ready, f.starting, f.draining), f.ready, f.desired,
      f.ttft_p99 < 0 ? "    -" : fmt::format("{:4.1f}s", f.ttft_p99), f.why);
  std::fflush(stdout);
}

void DemoView::paint(const Frame& f, const live::LoadResult& load, double dollars) {
  constexpr int kLines = 9;
  std::string out = painted_ ? fmt::format("\x1b[{}A", kLines) : "\n";
  auto line = [&](const std::string& text) { out += "\x1b[2K" + text + "\n"; };
  painted_ = true;
  const double share = std::clamp(f.world / span_, 0.0, 1.0);
  line(fmt::format("  time of day  {}   [{:<40}] {:3.0f} %", clock_of_day(share),
                   std::string(static_cast<std::size_t>(share * 40), '='), share * 100));
  line(fmt::format("  traffic      {:5.1f} req/s   {}", f.rate, sparkline(rates_)));
  line(fmt::format("  ready        {:5}         {}", f.ready, sparkline(ready_)));
  line(fmt::format("  replicas     {}   {} ready, {} starting, {} draining, {} desired",
                   replicas_bar(f.ready, f.starting, f.draining), f.ready, f.starting, f.draining,
                   f.desired));
  line(fmt::format("  waiting      {:5}   in flight {:5}", f.queue, f.in_flight));
  line(fmt::format("  TTFT p99     {}   SLO met {:.1f} % of {} requests",
                   f.ttft_p99 < 0 ? "    -" : fmt::format("{:4.1f}s", f.ttft_p99),
                   load.score.attainment() * 100, load.score.requests));
  line(fmt::format("  cost so far  ${:.2f}", dollars));
  line("  why          " + f.why);
  line("  # ready  + starting  - draining");
  std::fwrite(out.data(), 1, out.size(), stdout);
  std::fflush(stdout);
}

void DemoView::summary(live::ModelRun& model, const live::LoadResult& load, Instant now) {
  live::Ledger& ledger = model.ledger();
  ledger.settle(now);
  const workload::Score& s = load.score;
  const double fixed = ledger.fixed_at_peak_dollars(now);
  fmt::print("\n{} requests: {} completed, {} rejected, {} timed out, {} lost\n", s.requests,
             s.completed, s.rejected, s.timed_out, s.lost);
  fmt::print("SLO met by {:.2f} % of them; TTFT p50 {:.2f} s, p99 {:.2f} s\n", s.attainment() * 100,
             s.ttft.quantile(0.5), s.ttft.quantile(0.99));
  fmt::print("replicas: {} at the peak, {} scale-ups, {} scale-downs, cold start p50 {:.0f} s\n",
             ledger.replicas_peak(), model.scale_ups(), model.scale_downs(),
             ledger.cold_start_seconds().quantile(0.5));
  fmt::print("cost ${:.2f} against ${:.2f} for a fleet fixed at the peak: {:.0f} % saved\n",
             ledger.cost_dollars(), fixed,
             fixed > 0 ? 100 * (1 - ledger.cost_dollars() / fixed) : 0.0);
  if (load.interrupted) fmt::print("(interrupted)\n");
}

}  // namespace tidegate::cli
