// The one-file HTML report of `tidegate calibrate --run`.

#include <fmt/format.h>

#include <algorithm>

#include "cli/calibrate_page.h"
#include "cli/calibrate_run.h"
#include "sim/report/html.h"

namespace tidegate::cli {
namespace {

constexpr int kWidth = 900, kHeight = 220, kLeft = 56, kBottom = 28, kTop = 8;

std::string line(const std::vector<engine::RunSample>& samples, double engine::RunSample::*gauge,
                 double end, double top, const char* style) {
  std::string points;
  for (const engine::RunSample& s : samples) {
    points += fmt::format("{:.1f},{:.1f} ", kLeft + (kWidth - kLeft) * to_seconds(s.at) / end,
                          kHeight - kBottom - (kHeight - kBottom - kTop) * (s.*gauge) / top);
  }
  return fmt::format("<polyline class=\"{}\" points=\"{}\"/>\n", style, points);
}

std::string chart(const CalibratedRun& c, const char* title, double engine::RunSample::*gauge,
                  double unit) {
  double top = 1e-9, end = 1e-9;
  for (const auto* samples : {&c.run.samples, &c.played.samples}) {
    for (const engine::RunSample& s : *samples) {
      top = std::max(top, s.*gauge);
      end = std::max(end, to_seconds(s.at));
    }
  }
  std::string out =
      fmt::format("<h2>{}</h2>\n<svg viewBox=\"0 0 {} {}\">\n", title, kWidth, kHeight);
  for (int i = 0; i <= 4; ++i) {
    const double y = kHeight - kBottom - (kHeight - kBottom - kTop) * i / 4.0;
    const double x = kLeft + (kWidth - kLeft) * i / 4.0;
    out += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.4g}</text>"
        "<text x=\"{6:.1f}\" y=\"{7}\" text-anchor=\"{8}\">{9:.4g} s</text>\n",
        kLeft, kWidth, y, kLeft - 6, y + 4, top * unit * i / 4, x, kHeight - 8,
        i == 4 ? "end" : "middle", end * i / 4);
  }
  out += line(c.run.samples, gauge, end, top, "measured");
  out += line(c.played.samples, gauge, end, top, "predicted");
  return out + "</svg>\n";
}

}  // namespace

std::string calibration_html(const CalibratedRun& c) {
  std::string out = page_head(c.name,
                              "th:first-child,td:first-child{text-align:left}"
                              ".measured{stroke:#5b6b7c}");
  out += fmt::format(
      "<p>{}{}{}: {} requests. Grey: measured. Dashed: predicted by the fitted profile.</p>\n"
      "<table><tr><th></th><th>measured</th><th>predicted</th><th>error</th></tr>\n",
      sim::html_text(c.run.model), c.run.engine.empty() ? "" : ", ", sim::html_text(c.run.engine),
      c.run.requests.size());
  const auto all = engine::compare(c.run.requests, c.played.requests);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t f = 0; f < engine::Figures::kNames.size(); ++f) {
      out += fmt::format(
          "<tr><td>{} {}</td><td>{:.4g} s</td><td>{:.4g} s</td><td>{:+.2f} %</td></tr>\n",
          engine::kLatencyNames[i], engine::Figures::kNames[f], all[i].measured.values[f],
          all[i].predicted.values[f], 100 * all[i].error(f));
    }
  }
  out += "</table>\n";
  if (c.run.samples.empty()) return out + "<p>The run has no time series.</p>\n</html>\n";
  out += chart(c, "Running requests", &engine::RunSample::running, 1);
  out += chart(c, "Waiting requests", &engine::RunSample::waiting, 1);
  if (c.run.samples_have_kv && c.fit.kv != engine::KvKnowledge::kNotReached)
    out += chart(c, "KV in use, %", &engine::RunSample::kv_usage, 100);
  return out + "</html>\n";
}

}  // namespace tidegate::cli
