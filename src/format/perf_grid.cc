#include "format/perf_grid.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "format/csv_table.h"

namespace tidegate::format {
namespace {

struct Selector {
  std::string_view word, column;
};
constexpr Selector kSilicon[] = {
    {"model", "model_path"},        {"system", "system"},       {"backend", "backend"},
    {"version", "backend_version"}, {"precision", "precision"}, {"gemm", "gemm_quant_mode"},
    {"moe", "moe_quant_mode"},      {"tp", "tp_size"},          {"pp", "pp_size"},
    {"dp", "attention_dp_size"},    {"moe_tp", "moe_tp_size"},  {"moe_ep", "moe_ep_size"}};
constexpr Selector kSplitwise[] = {
    {"model", "model"}, {"system", "hardware"}, {"tp", "tensor_parallel"}};

/// Where the numbers stand.
struct Layout {
  engine::GridKind kind;
  std::vector<Selector> selectors;
  std::string_view prompt, output, concurrency, ttft_ms, tpot_ms;
};

Layout silicon() {
  return {engine::GridKind::kClosedLoop,
          {std::begin(kSilicon), std::end(kSilicon)},
          "isl",
          "osl",
          "batch_size",
          "silicon_ttft_ms",
          "silicon_tpot_ms"};
}
Layout splitwise() {
  return {engine::GridKind::kStaticBatch,
          {std::begin(kSplitwise), std::end(kSplitwise)},
          "prompt_size",
          "token_size",
          "batch_size",
          "prompt_time",
          "token_time"};
}

bool fits(const CsvTable& table, const Layout& layout) {
  for (std::string_view column :
       {layout.prompt, layout.output, layout.concurrency, layout.ttft_ms, layout.tpot_ms}) {
    if (!table.has(column)) return false;
  }
  return true;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// What the rows that match have in each selector's column.
using Configuration = std::vector<std::string>;

std::string words(const Layout& layout, const Configuration& configuration,
                  const std::vector<Configuration>& all) {
  std::string out;
  for (std::size_t i = 0; i < configuration.size(); ++i) {
    bool differs = std::any_of(all.begin(), all.end(),
                               [&](const Configuration& c) { return c[i] != configuration[i]; });
    if (!differs) continue;
    out +=
        (out.empty() ? "" : ",") + std::string(layout.selectors[i].word) + "=" + configuration[i];
  }
  return out;
}

struct Samples {
  std::vector<double> ttft, tpot;
};
using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  ///< prompt, output, concurrency

Result<PerfGrid> select(const CsvTable& table, const Layout& layout, std::string_view name,
                        const Selection& selection) {
  std::vector<std::pair<std::string_view, std::string>> wanted;
  for (const auto& [word, value] : selection) {
    auto at = std::find_if(layout.selectors.begin(), layout.selectors.end(),
                           [&w = word](const Selector& s) { return s.word == w; });
    if (at == layout.selectors.end()) {
      std::string known;
      for (const Selector& s : layout.selectors)
        known += (known.empty() ? "" : ", ") + std::string(s.word);
      return fail("--select: there is no \"" + word + "\"; this table has " + known);
    }
    wanted.emplace_back(at->column, value);
  }
  std::map<Configuration, std::int64_t> configurations;
  std::map<Key, Samples> points;
  PerfGrid out;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    bool match = !table.has("mode") || table.text(row, "mode") == "agg";
    for (const auto& [column, value] : wanted) match = match && table.text(row, column) == value;
    if (!match) continue;
    auto prompt = table.number(row, layout.prompt), output = table.number(row, layout.output),
         concurrency = table.number(row, layout.concurrency),
         ttft = table.number(row, layout.ttft_ms), tpot = table.number(row, layout.tpot_ms);
    if (!prompt || !output || !concurrency || !ttft || !tpot || *prompt < 1 || *output < 1 ||
        *concurrency < 1 || *prompt > 1e8 || *output > 1e8 || *concurrency > 1e6 || *ttft <= 0 ||
        *tpot <= 0) {
      return fail(std::string(name) + ":" + std::to_string(table.line(row)) +
                  ": lengths, concurrency, TTFT and TPOT must be numbers above 0");
    }
    Configuration configuration;
    for (const Selector& s : layout.selectors) configuration.push_back(table.text(row, s.column));
    ++configurations[configuration];
    Samples& samples =
        points[{static_cast<std::int64_t>(*prompt), static_cast<std::int64_t>(*output),
                static_cast<std::int64_t>(*concurrency)}];
    samples.ttft.push_back(*ttft / 1000);
    samples.tpot.push_back(*tpot / 1000);
    ++out.rows;
  }
  if (configurations.empty()) return fail(std::string(name) + ": no row matches the selection");
  if (configurations.size() > 1) {
    std::vector<Configuration> all;
    for (const auto& [configuration, rows] : configurations) all.push_back(configuration);
    std::string list;
    constexpr std::size_t kMostShown = 12;
    for (std::size_t i = 0; i < std::min(kMostShown, all.size()); ++i) {
      list += "\n  " + words(layout, all[i], all) + "  (" + std::to_string(configurations[all[i]]) +
              " rows)";
    }
    if (all.size() > kMostShown) list += "\n  ...";
    return fail(std::string(name) + ": the selection leaves " + std::to_string(all.size()) +
                " configurations; add one of these to --select:" + list);
  }
  const Configuration& only = configurations.begin()->first;
  for (std::size_t i = 0; i < only.size(); ++i) {
    if (only[i].empty()) continue;
    out.configuration.emplace_back(layout.selectors[i].word, only[i]);
    if (layout.selectors[i].word == "dp")
      out.data_parallel_size = std::max<std::int64_t>(1, std::atoll(only[i].c_str()));
  }
  for (const auto& [key, samples] : points) {
    auto [prompt, output, concurrency] = key;
    concurrency *= out.data_parallel_size;  // batch_size is that of one rank
    out.points.push_back(
        {layout.kind, prompt, output, concurrency, median(samples.ttft), median(samples.tpot)});
  }
  return out;
}

}  // namespace

Result<PerfGrid> parse_perf_grid(std::string_view text, std::string_view name,
                                 const Selection& selection) {
  auto table = CsvTable::parse(text, name);
  if (!table) return fail(table.error());
  for (const Layout& layout : {silicon(), splitwise()}) {
    if (fits(*table, layout)) return select(*table, layout, name, selection);
  }
  return fail(std::string(name) +
              ":1: is no grid; expected the columns isl, osl, batch_size, silicon_ttft_ms, "
              "silicon_tpot_ms or prompt_size, token_size, batch_size, prompt_time, token_time");
}

Result<PerfGrid> read_perf_grid(const std::string& path, const Selection& selection) {
  auto text = read_text_file(path);
  if (!text) return fail(text.error());
  return parse_perf_grid(*text, path, selection);
}

}  // namespace tidegate::format
