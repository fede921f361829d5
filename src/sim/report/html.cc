#include "sim/report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "sim/report/template.h"

namespace tidegate::sim {
namespace {

using Json = nlohmann::ordered_json;

/// Five significant digits: more than a screen shows, and half the bytes.
double rounded(double value) {
  char digits[40];
  char* end =
      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 5).ptr;
  double out = 0;
  std::from_chars(digits, end, out);
  return out;
}

/// Whole numbers without ".0".
Json number(double value) {
  double r = rounded(value);
  auto whole = static_cast<std::int64_t>(r);
  if (r > -1e15 && r < 1e15 && static_cast<double>(whole) == r) return whole;
  return r;
}

/// Seconds since the start of the trace, to the millisecond.
Json at_seconds(Instant at) {
  std::int64_t ms = (at - Instant()).count() / 1'000'000;
  if (ms % 1'000 == 0) return ms / 1'000;
  return static_cast<double>(ms) / 1e3;
}

Json span_seconds(Duration d) { return number(to_seconds(d)); }

Json bound_json(const std::optional<spec::LatencyBound>& bound) {
  if (!bound) return nullptr;
  return {{"percentile", bound->percentile}, {"seconds", to_seconds(bound->bound)}};
}

/// Each channel as columns; mean where it says it all (least and most are the same everywhere).
Json channel_json(const std::vector<Bucket>& buckets, Channel channel) {
  Json least = Json::array(), mean = Json::array(), most = Json::array();
  bool flat = true;
  for (const Bucket& bucket : buckets) {
    const Extent& seen = bucket[channel];
    if (seen.count == 0) {
      for (Json* column : {&least, &mean, &most}) column->push_back(nullptr);
      continue;
    }
    flat = flat && seen.least == seen.most;
    least.push_back(number(seen.least));
    mean.push_back(number(seen.mean()));
    most.push_back(number(seen.most));
  }
  Json out = {{"mean", std::move(mean)}};
  if (flat) return out;
  out["least"] = std::move(least);
  out["most"] = std::move(most);
  return out;
}

Json series_json(const SeriesRecorder& seen, std::size_t most) {
  std::vector<Bucket> buckets = seen.series().buckets();
  while (buckets.size() > std::max<std::size_t>(most, 2)) merge_pairs(buckets);
  const std::vector<double> each = seen.sustained();
  Json from = Json::array(), cost = Json::array(), met = Json::array(), capacity = Json::array();
  std::int64_t samples = 0;
  for (const Bucket& bucket : buckets) {
    samples = std::max(samples, bucket.samples);
    from.push_back(at_seconds(bucket.from));
    cost.push_back(number(bucket.cost_dollars));
    met.push_back(bucket.ended == 0 ? Json(nullptr)
                                    : number(static_cast<double>(bucket.met) /
                                             static_cast<double>(bucket.ended)));
    double sustained = 0;
    for (std::size_t v = 0; v < std::min(each.size(), bucket.ready_sum.size()); ++v) {
      sustained += each[v] * static_cast<double>(bucket.ready_sum[v]);
    }
    if (!each.empty()) {
      capacity.push_back(number(sustained / static_cast<double>(bucket.samples)));
    }
  }
  Json out = {{"samples", samples}, {"from", std::move(from)}};
  out["to"] = buckets.empty() ? Json(0) : at_seconds(buckets.back().to);
  for (std::size_t c = 0; c < kChannels; ++c) {
    auto channel = static_cast<Channel>(c);
    out[std::string(token(channel))] = channel_json(buckets, channel);
  }
  out["cost"] = {{"mean", std::move(cost)}};
  out["met"] = {{"mean", std::move(met)}};
  out["capacity"] = {{"mean", std::move(capacity)}};
  return out;
}

Json starts_json(const SeriesRecorder& seen) {
  static constexpr std::string_view kStageNames[] = {"procurement", "image", "weights", "engine",
                                                     "total"};
  Json stages = Json::array();
  for (std::size_t i = 0; i < seen.stages().size(); ++i) {
    const StageTally& tally = seen.stages()[i];
    // A sketch may say 0.5 % too much: never more than the longest.
    auto quantile = [&](double q) {
      return number(std::min(tally.sketch.quantile(q), tally.most));
    };
    stages.push_back({{"stage", kStageNames[i]},
                      {"p50", quantile(0.5)},
                      {"p90", quantile(0.9)},
                      {"most", number(tally.most)}});
  }
  Json rows = Json::array();
  for (const StartRow& start : seen.starts().kept()) {
    Json parts = Json::array();
    for (const Span& part : spans(start)) {
      parts.push_back({part.stage, span_seconds(part.to - part.from)});
    }
    rows.push_back({{"id", start.id.value()},
                    {"variant", start.variant},
                    {"at", at_seconds(start.ordered)},
                    {"ready", start.ready},
                    {"parts", std::move(parts)}});
  }
  return {{"total", seen.starts().total()},
          {"givenUp", seen.given_up()},
          {"every", seen.starts().every()},
          {"stages", std::move(stages)},
          {"rows", std::move(rows)}};
}

Json moves_json(const SeriesRecorder& seen) {
  Json rows = Json::array();
  for (const Move& move : seen.moves().kept()) {
    rows.push_back({at_seconds(move.at), move.before, move.after, token(move.code)});
  }
  return {
      {"total", seen.moves().total()}, {"every", seen.moves().every()}, {"rows", std::move(rows)}};
}

Json reasons_json(const SeriesRecorder& seen) {
  std::vector<std::pair<ReasonCode, ReasonTally>> order(seen.reasons().begin(),
                                                        seen.reasons().end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.bound, a.second.decisions) >
           std::pair(b.second.bound, b.second.decisions);
  });
  Json out = Json::array();
  for (const auto& [code, tally] : order) {
    out.push_back({{"code", token(code)},
                   {"sentence", sentence(code)},
                   {"bound", tally.bound},
                   {"decisions", tally.decisions},
                   {"raised", tally.raised},
                   {"lowered", tally.lowered}});
  }
  return out;
}

Json run_json(const ReportRun& run, std::size_t points) {
  const spec::Model& model = run.seen->model();
  const std::vector<double> each = run.seen->sustained();
  Json variants = Json::array();
  for (std::size_t v = 0; v < model.variants.size(); ++v) {
    Json variant = {{"name", model.variants[v].name},
                    {"costPerHour", model.variants[v].cost_per_hour_dollars}};
    if (v < each.size()) variant["requestsPerSecond"] = number(each[v]);
    variants.push_back(std::move(variant));
  }
  const engine::LengthMoments lengths = run.seen->lengths();
  return {{"policy", run.policy},
          {"model", model.name},
          {"slo",
           {{"ttft", bound_json(model.slo.ttft)},
            {"itl", bound_json(model.slo.itl)},
            {"e2e", bound_json(model.slo.e2e)}}},
          {"windowSeconds", to_seconds(model.scaling.window)},
          {"variants", std::move(variants)},
          {"promptTokens", number(lengths.prompt)},
          {"outputTokens", number(lengths.output)},
          {"series", series_json(*run.seen, points)},
          {"starts", starts_json(*run.seen)},
          {"moves", moves_json(*run.seen)},
          {"decisions", run.seen->decisions()},
          {"reasons", reasons_json(*run.seen)}};
}

std::string title_of(const RunInfo& info) { return info.title.empty() ? "Simulation" : info.title; }

}  // namespace

std::string html_text(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Json report_json(const RunInfo& info, const Json& results, const std::vector<ReportRun>& runs) {
  Json about = Json::array();
  for (const auto& [name, value] : {std::pair<std::string_view, std::string>{"trace", info.trace},
                                    {"spec", info.spec},
                                    {"seed", std::to_string(info.seed)},
                                    {"program", info.program},
                                    {"command", info.command}}) {
    if (!value.empty()) about.push_back({name, value});
  }
  std::size_t points =
      kReportPoints / std::max<std::size_t>(runs.size(), kReportPoints / kReportBuckets);
  Json shown = Json::array();
  for (const ReportRun& run : runs) shown.push_back(run_json(run, points));
  return {{"title", title_of(info)},
          {"about", std::move(about)},
          {"results", results},
          {"runs", std::move(shown)}};
}

std::string report_html(const RunInfo& info, const Json& results,
                        const std::vector<ReportRun>& runs) {
  std::string data =
      report_json(info, results, runs).dump(-1, ' ', true, Json::error_handler_t::replace);
  std::string page;
  page.reserve(report_template().size() + data.size());
  std::string_view rest = report_template();
  auto copy_until = [&](std::string_view mark) {
    std::size_t at = rest.find(mark);
    page += rest.substr(0, at);
    rest.remove_prefix(std::min(rest.size(), at == rest.npos ? rest.size() : at + mark.size()));
  };
  copy_until("{{TITLE}}");
  page += html_text(title_of(info));
  copy_until("{{DATA}}");
  for (char c : data) {
    // Within strings alone: nothing in the data can end the script element or open a comment.
    if (c == '<') {
      page += "\\u003c";
    } else {
      page += c;
    }
  }
  page += rest;
  return page;
}

}  // namespace tidegate::sim
