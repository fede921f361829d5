#include "cli/size.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/admin_client.h"
#include "cli/size_case.h"

namespace tidegate::cli {
namespace {

using Json = nlohmann::ordered_json;
using engine::Infeasible;
using engine::LengthMix;

constexpr int kUsage = 2;

std::string time_text(double seconds) {
  if (seconds >= 100) return fmt::format("{:.0f} s", seconds);
  if (seconds >= 1) return fmt::format("{:.2f} s", seconds);
  return fmt::format("{:.{}f} ms", seconds * 1e3, seconds < 0.1 ? 1 : 0);
}

/// 1234567 -> "1.23 million".
std::string count_text(double n) {
  for (auto [unit, name] : {std::pair(1e12, " trillion"), {1e9, " billion"}, {1e6, " million"}}) {
    if (n >= unit) return fmt::format("{:.3g}{}", n / unit, name);
  }
  return fmt::format("{:.0f}", n);
}

std::string dollars(double x) { return fmt::format("${:.{}f}", x, x < 1'000 ? 2 : 0); }

void row(std::string_view name, const std::string& text) { fmt::print("{:<16}{}\n", name, text); }

// ---- Little's Law alone

struct Little {
  engine::LittleAsk ask;
  engine::LittleAnswer answer;
};

void print_little(const Little& l) {
  row("Little's Law",
      fmt::format("{:g} requests/s x {} = {:.4g} in flight", l.ask.requests_per_second,
                  time_text(l.ask.latency_seconds), l.answer.concurrency));
  row("a replica",
      fmt::format("{:.4g} at once ({}), {:.4g} at {:g} utilisation", l.answer.per_replica,
                  l.answer.kv_binds ? fmt::format("KV: {:.0f} tokens / {:.0f} a request",
                                                  l.ask.kv_tokens, l.ask.held_tokens)
                                    : "max-num-seqs",
                  l.answer.per_replica * l.ask.target_utilization, l.ask.target_utilization));
  row("replicas",
      fmt::format("{:.0f} (utilisation {:.2f})", l.answer.replicas, l.answer.utilization));
}

Json to_json(const Little& l) {
  return {{"requestsPerSecond", l.ask.requests_per_second},
          {"latencySeconds", l.ask.latency_seconds},
          {"concurrency", l.answer.concurrency},
          {"perReplica", l.answer.per_replica},
          {"binding", l.answer.kv_binds ? "kv" : "sequences"},
          {"replicas", l.answer.replicas},
          {"utilization", l.answer.utilization}};
}

int size_by_little(const SizeFlags& flags, bool json) {
  auto latency = size_latency(flags);
  if (!latency) return report(latency.error());
  auto lengths = size_lengths(flags);
  if (!lengths) return report(lengths.error());
  Little l;
  l.ask = {*flags.qps,
           *latency,
           *flags.max_num_seqs,
           flags.kv_tokens.value_or(0),
           engine::held_tokens(lengths->moments),
           flags.target_utilization.value_or(l.ask.target_utilization)};
  l.answer = engine::little(l.ask);
  const double month = l.answer.replicas * flags.cost_per_hour.value_or(0) * engine::kHoursPerMonth;
  if (json) {
    Json result = to_json(l);
    if (flags.cost_per_hour) result["costPerMonth"] = month;
    print_results(Json::array({std::move(result)}));
    return 0;
  }
  print_little(l);
  if (flags.cost_per_hour) row("cost", dollars(month) + " a month of 730 hours");
  fmt::print(
      "\n{} must be the latency at {:.4g} requests at once on a replica, not an idle one's: "
      "batching makes every step slower.\n"
      "Measure it there, or let a profile tell: tidegate size --profile NAME --qps {:g} --prompt N "
      "--output N\n",
      flags.latency, l.answer.per_replica * l.answer.utilization, *flags.qps);
  return 0;
}

// ---- within the SLO

struct Sized {
  SizeCase asked;
  engine::SizeAnswer answer;
  Little little;
  engine::BreakEven pay;
  engine::ZeroAnswer zero;
};

Sized size_case(SizeCase asked, const LengthMix& lengths, const engine::PriceAsk& price) {
  Sized out;
  out.answer = engine::size(asked.profile, asked.ask, lengths);
  const engine::SizeAsk& ask = asked.ask;
  out.little.ask = {ask.requests_per_second,
                    out.answer.latency_at_slots_seconds,
                    ask.max_num_seqs * ask.data_parallel_size,
                    static_cast<double>(asked.profile.kv_tokens * ask.data_parallel_size),
                    engine::held_tokens(lengths.moments),
                    ask.target_utilization};
  out.little.answer = engine::little(out.little.ask);
  engine::PriceAsk own = price;
  own.cost_per_hour_dollars = asked.cost_per_hour;
  out.pay = engine::break_even(ask, out.answer, lengths.moments, own);
  out.zero = engine::scale_to_zero(ask, asked.zero);
  out.asked = std::move(asked);
  return out;
}

std::string why_not(const Sized& s) {
  const engine::SizeAsk& ask = s.asked.ask;
  switch (s.answer.infeasible) {
    case Infeasible::kNot:
      return {};
    case Infeasible::kItl:
      return fmt::format(
          "the ITL bound of {} is shorter than a step with one sequence; raise it, "
          "or take a faster variant",
          time_text(ask.itl_seconds));
    case Infeasible::kTtft:
      return fmt::format(
          "TTFT p{:g} is {} with nothing else running, over the bound of {}; raise "
          "it, shorten prompts, or take a faster variant",
          ask.ttft_percentile * 100, time_text(s.answer.ttft_alone_seconds),
          time_text(ask.ttft_seconds));
    case Infeasible::kKv:
      return fmt::format("a mean request holds more than the {} tokens of KV",
                         s.asked.profile.kv_tokens);
    case Infeasible::kLoad:
      return fmt::format("more than {} replicas", engine::kMostSizedReplicas);
  }
  return {};
}

std::string bound_text(double percentile, double seconds) {
  return seconds > 0 ? fmt::format(" (bound p{:g} {})", percentile * 100, time_text(seconds)) : "";
}

void print_pay(const Sized& s, bool priced) {
  if (s.asked.cost_per_hour <= 0) {
    if (priced) row("break-even", "unknown: no costPerHour; give --cost-per-hour");
    return;
  }
  row("cost", fmt::format("{} a month ({} an hour a replica)", dollars(s.pay.own_month_dollars),
                          dollars(s.asked.cost_per_hour)));
  if (!priced) return;
  row("by the token",
      fmt::format("{} a month for these requests: {}", dollars(s.pay.api_month_dollars),
                  s.pay.own_is_cheaper ? "own replicas are cheaper" : "the API is cheaper"));
  row("break-even",
      fmt::format("a replica kept all month pays from {} requests or {} tokens a month on, {:.3g} "
                  "of what it sustains{}",
                  count_text(s.pay.requests_per_month), count_text(s.pay.tokens_per_month),
                  s.pay.utilization, s.pay.utilization > 1 ? ": never" : ""));
}

void print_zero(const Sized& s) {
  if (!s.asked.knows_zero) return;
  const engine::ZeroAnswer& z = s.zero;
  const std::string start = time_text(s.asked.zero.cold_start_seconds);
  if (!z.wakes_in_time) {
    row("scale to zero", fmt::format("no: a cold start ({} p90) outlasts queue.maxWait ({}); the "
                                     "requests that wake it time out",
                                     start, time_text(s.asked.zero.max_wait_seconds)));
    return;
  }
  row("scale to zero",
      fmt::format(
          "pays in gaps over {} (scaleDownDelay + cold start {}), {:.2g} % of a day each; {}",
          time_text(z.gap_seconds), start, z.idle_share_per_wake * 100,
          z.gap_share < 0.001
              ? "at a steady rate none is that long: only for traffic that stops"
              : fmt::format("{:.2g} % of the gaps are that long", z.gap_share * 100)));
  if (z.misses_per_wake <= 0) return;
  row("",
      fmt::format("each wake makes {:.0f} requests miss TTFT: p{:g} allows {:.2g} a day at this "
                  "rate",
                  z.misses_per_wake, s.asked.zero.ttft_percentile * 100, z.wakes_per_day));
}

void print_sized(const Sized& s, const LengthMix& lengths, bool priced) {
  const engine::SizeAsk& ask = s.asked.ask;
  const engine::SizeAnswer& a = s.answer;
  fmt::print("{}: {:g} requests/s of {:.4g} + {:.4g} tokens, profile {}\n", s.asked.name,
             ask.requests_per_second, lengths.moments.prompt, lengths.moments.output,
             s.asked.profile.name);
  if (a.infeasible != Infeasible::kNot) {
    row("replicas", "no number is enough: " + why_not(s));
    return;
  }
  print_little(s.little);
  row("within the SLO",
      fmt::format("{} replica{} (bound by {}){}", a.replicas, a.replicas == 1 ? "" : "s",
                  token(a.binding),
                  s.asked.max_replicas > 0 && a.replicas > s.asked.max_replicas
                      ? fmt::format(", more than maxReplicas {}", s.asked.max_replicas)
                      : ""));
  row("utilisation",
      fmt::format("{:.2f} of {:.3g} requests/s a replica", a.utilization, a.requests_per_second));
  row("headroom", fmt::format("{:.0f} % more requests", a.headroom * 100));
  row("ITL", fmt::format("{} with {:.3g} running a replica{}", time_text(a.itl_seconds), a.running,
                         bound_text(s.asked.itl_percentile, ask.itl_seconds)));
  row(fmt::format("TTFT p{:g}", ask.ttft_percentile * 100),
      time_text(a.ttft_seconds) + bound_text(ask.ttft_percentile, ask.ttft_seconds));
  print_pay(s, priced);
  print_zero(s);
  if (s.asked.has_e2e) row("not sized for", "the E2E bound; see tidegate simulate");
}

Json to_json(const Sized& s, const LengthMix& lengths, bool priced) {
  const engine::SizeAnswer& a = s.answer;
  Json out = {{"name", s.asked.name},
              {"profile", s.asked.profile.name},
              {"requestsPerSecond", s.asked.ask.requests_per_second},
              {"promptTokens", lengths.moments.prompt},
              {"outputTokens", lengths.moments.output},
              {"feasible", a.infeasible == Infeasible::kNot}};
  if (a.infeasible != Infeasible::kNot) {
    out["infeasible"] = token(a.infeasible);
    out["why"] = why_not(s);
    return out;
  }
  out.update(
      Json{{"replicas", a.replicas},
           {"binding", token(a.binding)},
           {"utilization", a.utilization},
           {"headroom", a.headroom},
           {"requestsPerSecondPerReplica", a.requests_per_second},
           {"runningPerReplica", a.running},
           {"itl", a.itl_seconds},
           {"ttft", {{"percentile", s.asked.ask.ttft_percentile}, {"seconds", a.ttft_seconds}}},
           {"little", to_json(s.little)}});
  if (s.asked.cost_per_hour > 0) {
    out["costPerMonth"] = s.pay.own_month_dollars;
    if (priced) {
      out["breakEven"] = {{"apiCostPerMonth", s.pay.api_month_dollars},
                          {"ownIsCheaper", s.pay.own_is_cheaper},
                          {"requestsPerMonth", s.pay.requests_per_month},
                          {"tokensPerMonth", s.pay.tokens_per_month},
                          {"utilization", s.pay.utilization}};
    }
  }
  if (s.asked.knows_zero) {
    out["scaleToZero"] = {{"wakesInTime", s.zero.wakes_in_time},
                          {"gapSeconds", s.zero.gap_seconds},
                          {"gapShare", s.zero.gap_share},
                          {"idleSharePerWake", s.zero.idle_share_per_wake},
                          {"missesPerWake", s.zero.misses_per_wake},
                          {"wakesPerDay", s.zero.wakes_per_day}};
  }
  return out;
}

int size_within_slo(const SizeFlags& flags, bool json) {
  auto cases = size_cases(flags);
  if (!cases) return report(cases.error());
  auto lengths = size_lengths(flags);
  if (!lengths) return report(lengths.error());
  const engine::PriceAsk price{0, flags.price_in.value_or(0), flags.price_out.value_or(0)};
  const bool priced = price.per_mtok_in_dollars + price.per_mtok_out_dollars > 0;
  Json results = Json::array();
  bool any = false, first = true;
  for (SizeCase& asked : *cases) {
    Sized sized = size_case(std::move(asked), *lengths, price);
    any = any || sized.answer.infeasible == Infeasible::kNot;
    if (json) {
      results.push_back(to_json(sized, *lengths, priced));
    } else {
      fmt::print("{}", std::exchange(first, false) ? "" : "\n");
      print_sized(sized, *lengths, priced);
    }
  }
  if (json) print_results(results);
  return any ? 0 : 1;
}

}  // namespace

int size(const SizeFlags& flags) {
  if (std::string wrong = size_nonsense(flags); !wrong.empty()) {
    fmt::print(stderr, "tidegate size: {}\n", wrong);
    return kUsage;
  }
  const bool json = parse_format(flags.format) == Format::kJson;
  return flags.latency.empty() ? size_within_slo(flags, json) : size_by_little(flags, json);
}

}  // namespace tidegate::cli
