// What `tidegate calibrate --url` prints and draws.

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/admin_client.h"
#include "cli/calibrate_page.h"
#include "cli/calibrate_run.h"
#include "cli/calibrate_url.h"
#include "format/profile.h"
#include "sim/report/html.h"

namespace tidegate::cli {
namespace {

using engine::RecommendBinding;
using engine::SweepSeries;
using nlohmann::ordered_json;

double percent_off(double predicted, double measured) { return 100 * (predicted / measured - 1); }

/// Indices of the measured points, by lengths and then clients.
std::vector<std::size_t> in_order(const CalibratedUrl& c) {
  std::vector<std::size_t> out(c.sweep.measured.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i;
  std::stable_sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) {
    const engine::SweepPoint &x = c.sweep.measured[a].point, &y = c.sweep.measured[b].point;
    return std::tuple(x.series, x.prompt, x.concurrency) <
           std::tuple(y.series, y.prompt, y.concurrency);
  });
  return out;
}

/// The concurrency series: what batch size costs and buys.
std::vector<engine::SweepMeasured> batches(const CalibratedUrl& c) {
  std::vector<engine::SweepMeasured> out;
  for (std::size_t i : in_order(c)) {
    const auto& m = c.sweep.measured[i];
    if (m.point.series == SweepSeries::kConcurrency) out.push_back(m);
  }
  return out;
}

std::string gauge(double value, double unit, const char* sign) {
  return value < 0 ? "-" : fmt::format("{:.1f}{}", unit * value, sign);
}

ordered_json to_json(const CalibratedUrl& c, const CalibrateFlags& flags) {
  ordered_json out{{"model", c.facts.model},   {"engine", c.facts.engine},
                   {"seed", flags.seed},       {"worldSeconds", to_seconds(c.sweep.world)},
                   {"tokens", c.sweep.tokens}, {"interrupted", c.sweep.interrupted}};
  auto errors = [](const engine::GridErrors& e) {
    return ordered_json{{"points", e.points}, {"ttft", e.ttft}, {"tpot", e.tpot}};
  };
  out["medianError"] = {{"fitted", errors(c.fit.fitted)}, {"heldOut", errors(c.fit.held_out)}};
  out["kv"] = token(c.fit.kv);
  out["frontEndSeconds"] = c.fit.client.front_end_seconds;
  out["profile"] = format::profile_yaml(c.profile);
  out["points"] = ordered_json::array();
  for (std::size_t i : in_order(c)) {
    const auto& m = c.sweep.measured[i];
    const auto& g = c.fit.predicted[i];
    ordered_json row{{"series", token(m.point.series)},
                     {"prompt", m.point.prompt},
                     {"output", m.point.output},
                     {"concurrency", m.point.concurrency},
                     {"requests", m.requests},
                     {"heldOut", c.fit.was_held_out[i] != 0},
                     {"ttft",
                      {{"measured", m.ttft_seconds},
                       {"p95", m.ttft_p95_seconds},
                       {"predicted", g.ttft_seconds}}},
                     {"tpot", {{"measured", m.tpot_seconds}, {"predicted", g.tpot_seconds}}},
                     {"outputTokensPerSecond", m.output_tokens_per_second}};
    if (m.running >= 0) row["running"] = m.running;
    if (m.waiting >= 0) row["waiting"] = m.waiting;
    if (m.kv_usage >= 0) row["kvUsage"] = m.kv_usage;
    out["points"].push_back(std::move(row));
  }
  out["recommended"] = {{"maxNumSeqs", c.recommended.max_num_seqs},
                        {"concurrencyTarget", c.recommended.concurrency_target},
                        {"binding", token(c.recommended.binding)},
                        {"itlSeconds", c.recommended.here.itl_seconds},
                        {"ttftSeconds", c.recommended.here.ttft_seconds},
                        {"outputTokensPerSecond", c.recommended.here.output_tokens_per_second},
                        {"because", recommendation_sentence(c)}};
  out["notes"] = c.notes;
  return out;
}

void print_points(const CalibratedUrl& c) {
  fmt::print("{:>7}{:>7}{:>8}{:>12}{:>10}{:>8}{:>12}{:>10}{:>8}\n", "prompt", "output", "clients",
             "TTFT", "fitted", "error", "ITL", "fitted", "error");
  for (std::size_t i : in_order(c)) {
    const auto& m = c.sweep.measured[i];
    const auto& g = c.fit.predicted[i];
    fmt::print("{:>7}{:>7}{:>8}{:>10.1f}ms{:>8.1f}ms{:>+7.1f}%{:>10.2f}ms{:>8.2f}ms{:>+7.1f}%{}\n",
               m.point.prompt, m.point.output, m.point.concurrency, 1e3 * m.ttft_seconds,
               1e3 * g.ttft_seconds, percent_off(g.ttft_seconds, m.ttft_seconds),
               1e3 * m.tpot_seconds, 1e3 * g.tpot_seconds,
               percent_off(g.tpot_seconds, m.tpot_seconds),
               c.fit.was_held_out[i] != 0 ? "  held out" : "");
  }
}

void print_batches(const CalibratedUrl& c) {
  fmt::print("\nbatch size against latency, {}+{} tokens\n", c.ask.prompt, c.ask.output);
  fmt::print("{:>8}{:>9}{:>12}{:>12}{:>12}{:>14}{:>9}\n", "clients", "running", "ITL", "TTFT",
             "TTFT p95", "tokens/s out", "KV");
  for (const auto& m : batches(c)) {
    fmt::print("{:>8}{:>9}{:>10.2f}ms{:>10.1f}ms{:>10.1f}ms{:>14.0f}{:>9}\n", m.point.concurrency,
               gauge(m.running, 1, ""), 1e3 * m.tpot_seconds, 1e3 * m.ttft_seconds,
               1e3 * m.ttft_p95_seconds, m.output_tokens_per_second, gauge(m.kv_usage, 100, "%"));
  }
}

/// A curve of the batches: dots measured, a line as the fit has it.
std::string curve(const CalibratedUrl& c, const char* title,
                  double engine::SweepMeasured::*measured, double engine::AtClients::*fitted,
                  double unit) {
  constexpr int kWidth = 900, kHeight = 240, kLeft = 60, kBottom = 28, kTop = 10;
  const auto points = batches(c);
  double most = 1, top = 1e-9;
  std::vector<engine::AtClients> line;
  for (const auto& m : points) {
    line.push_back(engine::at_clients(c.ask, m.point.concurrency));
    most = std::max(most, static_cast<double>(m.point.concurrency));
    top = std::max({top, m.*measured, line.back().*fitted});
  }
  auto x = [&](std::int64_t clients) {
    return kLeft + (kWidth - kLeft - 10) * static_cast<double>(clients) / most;
  };
  auto y = [&](double value) {
    return kHeight - kBottom - (kHeight - kBottom - kTop) * value / top;
  };
  std::string out =
      fmt::format("<h2>{}</h2>\n<svg viewBox=\"0 0 {} {}\">\n", title, kWidth, kHeight);
  for (int i = 0; i <= 4; ++i) {
    out += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.4g}</text>\n",
        kLeft, kWidth, y(top * i / 4), kLeft - 6, y(top * i / 4) + 4, unit * top * i / 4);
  }
  std::string path;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::int64_t clients = points[i].point.concurrency;
    path += fmt::format("{:.1f},{:.1f} ", x(clients), y(line[i].*fitted));
    out += fmt::format(
        "<circle cx=\"{0:.1f}\" cy=\"{1:.1f}\" r=\"3.5\"/><text x=\"{0:.1f}\" y=\"{2}\" "
        "text-anchor=\"middle\">{3}</text>\n",
        x(clients), y(points[i].*measured), kHeight - 8, clients);
  }
  return out + fmt::format("<polyline class=\"predicted\" points=\"{}\"/></svg>\n", path);
}

/// Where more clients were refused, the most that was measured is not the engine's own bound: what
/// limits the rate or the queue stands in front of it.
std::string refused_beyond(const CalibratedUrl& c) {
  const live::SweepDropped* least = nullptr;
  for (const auto& d : c.sweep.dropped) {
    if (d.drop != engine::SweepDrop::kErrors || d.point.concurrency <= c.ask.most) continue;
    if (least == nullptr || d.point.concurrency < least->point.concurrency) least = &d;
  }
  if (least == nullptr) return "";
  return fmt::format(
      "; with {} clients requests failed, so that no more than {} were measured: the engine itself "
      "may take more, measure it without what refuses them",
      least->point.concurrency, c.ask.most);
}

}  // namespace

std::string error_words(const engine::GridErrors& e) {
  return fmt::format("TTFT {:.1f} %, ITL {:.1f} % on {} points", 100 * e.ttft, 100 * e.tpot,
                     e.points);
}

std::string kv_sentence(const CalibrateFlags& flags, const CalibratedUrl& c) {
  const std::int64_t tokens = c.fit.options.profile.kv_tokens;
  if (flags.kv_tokens > 0) return given_kv(flags);
  if (c.fit.kv == engine::KvKnowledge::kRecorded)
    return fmt::format("KV {} tokens as the engine reported", tokens);
  if (c.fit.kv == engine::KvKnowledge::kFitted)
    return fmt::format("KV {} tokens fitted: not reported, but it bound at some points", tokens);
  return fmt::format(
      "KV not reported and never full: {} tokens are what the points hold at most, the engine has "
      "more (--kv-tokens)",
      c.fit.kv_held_tokens);
}

std::string recommendation_sentence(const CalibratedUrl& c) {
  const engine::Recommendation& r = c.recommended;
  const auto ms = [](double seconds) { return fmt::format("{:.4g} ms", 1e3 * seconds); };
  const std::string refused = r.max_num_seqs == c.ask.most ? refused_beyond(c) : "";
  std::string why;
  switch (r.binding) {
    case RecommendBinding::kItl:
      why = fmt::format("with {} the mean ITL would be {}, over {}", r.next.clients,
                        ms(r.next.itl_seconds), ms(c.ask.itl_seconds));
      break;
    case RecommendBinding::kTtft:
      why = fmt::format("with {} the mean TTFT would be {}, over {}", r.next.clients,
                        ms(r.next.ttft_seconds), ms(c.ask.ttft_seconds));
      break;
    case RecommendBinding::kKv:
      why = fmt::format("no more requests of {}+{} tokens fit its KV of {}", c.ask.prompt,
                        c.ask.output, c.ask.options.profile.kv_tokens);
      break;
    case RecommendBinding::kMost:
      why = "the most that was measured keeps every bound";
      if (refused.empty()) why += "; more clients were not tried";
      break;
    case RecommendBinding::kKnee:
      why = fmt::format(
          "no SLO was given, and {} give 90 % of the output tokens a second that {} "
          "give",
          r.concurrency_target, c.ask.most);
      break;
    case RecommendBinding::kInfeasible:
      return fmt::format(
          "no concurrency keeps the SLO: a request of {}+{} tokens alone has a TTFT of {} and an "
          "ITL of {}",
          c.ask.prompt, c.ask.output, ms(r.here.ttft_seconds), ms(r.here.itl_seconds));
  }
  return fmt::format(
      "maxNumSeqs {}, concurrencyTarget {}: {}; at {} ITL is {}, TTFT {}, {:.0f} output tokens/s "
      "(means of equal requests: leave room for tails){}",
      r.max_num_seqs, r.concurrency_target, why, r.here.clients, ms(r.here.itl_seconds),
      ms(r.here.ttft_seconds), r.here.output_tokens_per_second, refused);
}

void print_calibrated(const CalibratedUrl& c, const CalibrateFlags& flags) {
  if (parse_format(flags.format) == Format::kJson)
    return print_results(ordered_json::array({to_json(c, flags)}));
  fmt::print("{}{}: {} points, {} tokens in {:.0f} s{}, seed {}\n\n", c.facts.model,
             c.facts.engine.empty() ? "" : ", " + c.facts.engine, c.sweep.measured.size(),
             c.sweep.tokens, to_seconds(c.sweep.world),
             flags.time_scale == 1 ? "" : fmt::format(" (time scale {:g})", flags.time_scale),
             flags.seed);
  print_points(c);
  print_batches(c);
  fmt::print("\nmedian error, fitted:   {}\n", error_words(c.fit.fitted));
  if (c.fit.held_out.points > 0)
    fmt::print("median error, held out: {}\n", error_words(c.fit.held_out));
  fmt::print("{}\n", step_sentence(c.profile));
  fmt::print("{}\n", kv_sentence(flags, c));
  fmt::print("the way to it and back adds {:.1f} ms to TTFT (not in the profile)\n",
             1e3 * c.fit.client.front_end_seconds);
  fmt::print("\n{}\n", recommendation_sentence(c));
  if (!flags.out.empty()) fmt::print("wrote {}\n", flags.out);
}

std::string calibrated_html(const CalibratedUrl& c) {
  std::string out = page_head(c.profile.name, "circle{fill:#5b6b7c}");
  out += fmt::format(
      "<p>{}</p>\n<p>{}</p>\n"
      "<p>Dots: measured. Dashed: the fitted profile, at {}+{} tokens.</p>\n",
      sim::html_text(c.profile.provenance), sim::html_text(recommendation_sentence(c)),
      c.ask.prompt, c.ask.output);
  out += curve(c, "ITL, ms, by clients", &engine::SweepMeasured::tpot_seconds,
               &engine::AtClients::itl_seconds, 1e3);
  out += curve(c, "TTFT, ms, by clients", &engine::SweepMeasured::ttft_seconds,
               &engine::AtClients::ttft_seconds, 1e3);
  out += curve(c, "Output tokens a second, by clients",
               &engine::SweepMeasured::output_tokens_per_second,
               &engine::AtClients::output_tokens_per_second, 1);
  out +=
      "<table><tr><th>prompt</th><th>output</th><th>clients</th><th>TTFT</th><th>fitted</th>"
      "<th>ITL</th><th>fitted</th><th></th></tr>\n";
  for (std::size_t i : in_order(c)) {
    const auto& m = c.sweep.measured[i];
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1f} ms</td><td>{:+.1f} %</td>"
        "<td>{:.2f} ms</td><td>{:+.1f} %</td><td>{}</td></tr>\n",
        m.point.prompt, m.point.output, m.point.concurrency, 1e3 * m.ttft_seconds,
        percent_off(c.fit.predicted[i].ttft_seconds, m.ttft_seconds), 1e3 * m.tpot_seconds,
        percent_off(c.fit.predicted[i].tpot_seconds, m.tpot_seconds),
        c.fit.was_held_out[i] != 0 ? "held out" : "");
  }
  return out + "</table>\n</html>\n";
}

}  // namespace tidegate::cli
