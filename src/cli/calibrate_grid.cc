// Wiring of `tidegate calibrate --grid`.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/admin_client.h"
#include "cli/calibrate_run.h"
#include "core/engine/grid.h"
#include "format/perf_grid.h"
#include "format/profile.h"

namespace tidegate::cli {
namespace {

using nlohmann::ordered_json;

Result<format::Selection> selection_of(const CalibrateFlags& flags) {
  format::Selection out;
  for (const std::string& text : flags.select) {
    const std::size_t at = text.find('=');
    if (at == std::string::npos || at == 0)
      return fail("--select: \"" + text + "\" is not key=value, such as model=Qwen/Qwen3-32B");
    out.emplace_back(text.substr(0, at), text.substr(at + 1));
  }
  return out;
}

engine::Options options_of(const CalibrateFlags& flags, const format::PerfGrid& grid) {
  engine::Options o;
  o.data_parallel_size = o.profile.data_parallel_size = grid.data_parallel_size;
  std::int64_t clients = 1, longest = 1;
  for (const engine::GridPoint& p : grid.points) {
    clients = std::max(clients, p.concurrency);
    longest = std::max(longest, p.prompt + p.output);
  }
  o.max_num_seqs =
      flags.max_num_seqs > 0 ? flags.max_num_seqs : std::max<std::int64_t>(256, clients);
  o.max_num_batched_tokens =
      std::max(o.max_num_seqs, flags.max_num_batched_tokens > 0 ? flags.max_num_batched_tokens
                                                                : kDefaultBatchedTokens);
  o.profile.max_num_seqs = o.max_num_seqs;
  o.profile.max_num_batched_tokens = o.max_num_batched_tokens;
  o.profile.max_model_len = std::max(o.profile.max_model_len, longest);
  if (grid.points.front().kind == engine::GridKind::kClosedLoop)
    o.profile.async_scheduling = o.profile.reserve_full_prompt = 1;
  if (flags.kv_tokens > 0) o.profile.kv_tokens = flags.kv_tokens;
  return o;
}

std::string kv_sentence(const CalibrateFlags& flags, const engine::GridFit& fit) {
  if (flags.kv_tokens > 0) return given_kv(flags);
  if (fit.kv == engine::KvKnowledge::kFitted)
    return fmt::format("KV {} tokens fitted: it bound at some points",
                       fit.options.profile.kv_tokens);
  return fmt::format(
      "KV not measured and never full: {} tokens are what the points hold at most, the engine has "
      "more",
      fit.kv_held_tokens);
}

std::string error_words(const engine::GridErrors& e) {
  return fmt::format("TTFT {:.1f} %, TPOT {:.1f} % on {} points", 100 * e.ttft, 100 * e.tpot,
                     e.points);
}

engine::Profile profile_of(const CalibrateFlags& flags, const format::PerfGrid& grid,
                           const engine::GridFit& fit) {
  engine::Profile p = fit.options.profile;
  p.name = profile_name(flags, "grid");
  if (fit.kv == engine::KvKnowledge::kNotReached)
    p.kv_tokens = (fit.kv_held_tokens + p.block_size - 1) / p.block_size * p.block_size;
  p.max_model_len = std::min(p.max_model_len, p.kv_tokens);  // no longer request could be held
  std::string configuration;
  for (const auto& [word, value] : grid.configuration)
    configuration += fmt::format("{}{}={}", configuration.empty() ? "" : " ", word, value);
  p.provenance = fmt::format(
      "measured: {} ({} rows, {}){}; fitted to {} points (tidegate calibrate --grid, seed {}); "
      "median error: {}{}; {}",
      std::filesystem::path(flags.grid).filename().string(), grid.rows, configuration,
      flags.source.empty() ? "" : ", by " + flags.source, fit.fitted.points, flags.seed,
      error_words(fit.fitted),
      fit.held_out.points > 0 ? "; held out of the fit: " + error_words(fit.held_out) : "",
      kv_sentence(flags, fit));
  return p;
}

void print_table(const format::PerfGrid& grid, const engine::GridFit& fit,
                 const CalibrateFlags& flags, const engine::Profile& p) {
  fmt::print("{:>8}{:>8}{:>12}{:>14}{:>10}{:>9}{:>14}{:>10}{:>9}\n", "prompt", "output",
             "concurrency", "TTFT measured", "predicted", "error", "TPOT measured", "predicted",
             "error");
  for (std::size_t i = 0; i < grid.points.size(); ++i) {
    const engine::GridPoint& m = grid.points[i];
    const engine::GridPrediction& g = fit.predicted[i];
    fmt::print("{:>8}{:>8}{:>12}{:>12.1f}ms{:>8.1f}ms{:>+8.1f}%{:>12.2f}ms{:>8.2f}ms{:>+8.1f}%{}\n",
               m.prompt, m.output, m.concurrency, 1e3 * m.ttft_seconds, 1e3 * g.ttft_seconds,
               100 * (g.ttft_seconds / m.ttft_seconds - 1), 1e3 * m.tpot_seconds,
               1e3 * g.tpot_seconds, 100 * (g.tpot_seconds / m.tpot_seconds - 1),
               fit.was_held_out[i] != 0 ? "  held out" : "");
  }
  fmt::print("\nmedian error, fitted:   {}\n", error_words(fit.fitted));
  if (fit.held_out.points > 0)
    fmt::print("median error, held out: {}\n", error_words(fit.held_out));
  fmt::print("{}\n", step_sentence(p));
  fmt::print("{}\n", kv_sentence(flags, fit));
  if (!flags.out.empty()) fmt::print("wrote {}\n", flags.out);
}

ordered_json to_json(const format::PerfGrid& grid, const engine::GridFit& fit,
                     const CalibrateFlags& flags, const engine::Profile& p) {
  ordered_json out{{"grid", flags.grid}};
  for (const auto& [word, value] : grid.configuration) out["configuration"][word] = value;
  out["seed"] = flags.seed;
  auto errors = [](const engine::GridErrors& e) {
    return ordered_json{{"points", e.points}, {"ttft", e.ttft}, {"tpot", e.tpot}};
  };
  out["medianError"] = {{"fitted", errors(fit.fitted)}, {"heldOut", errors(fit.held_out)}};
  out["kv"] = token(fit.kv);
  out["profile"] = format::profile_yaml(p);
  out["points"] = ordered_json::array();
  for (std::size_t i = 0; i < grid.points.size(); ++i) {
    const engine::GridPoint& m = grid.points[i];
    out["points"].push_back(
        {{"prompt", m.prompt},
         {"output", m.output},
         {"concurrency", m.concurrency},
         {"heldOut", fit.was_held_out[i] != 0},
         {"ttft", {{"measured", m.ttft_seconds}, {"predicted", fit.predicted[i].ttft_seconds}}},
         {"tpot", {{"measured", m.tpot_seconds}, {"predicted", fit.predicted[i].tpot_seconds}}}});
  }
  return out;
}

}  // namespace

int calibrate_grid(const CalibrateFlags& flags) {
  auto selection = selection_of(flags);
  if (!selection) return report(selection.error());
  auto grid = format::read_perf_grid(flags.grid, *selection);
  if (!grid) return report(grid.error());
  constexpr std::size_t kLeastPoints = 4;
  if (grid->points.size() < kLeastPoints) {
    return report({fmt::format("{}: the selection has {} points; at least {} are needed",
                               flags.grid, grid->points.size(), kLeastPoints)});
  }
  engine::GridSettings settings;
  settings.seed = flags.seed;
  settings.holdout = flags.holdout;
  settings.kv_recorded = flags.kv_tokens > 0;
  if (flags.evaluations > 0) settings.evaluations = flags.evaluations;
  settings.progress = progress_line("fitting " + flags.grid);
  const engine::GridFit fit = engine::fit_grid(grid->points, options_of(flags, *grid), settings);
  end_progress(settings.progress);
  const engine::Profile profile = profile_of(flags, *grid, fit);
  if (auto wrote = write_profile(flags, profile); !wrote) return report(wrote.error());
  if (parse_format(flags.format) == Format::kJson) {
    print_results(ordered_json::array({to_json(*grid, fit, flags, profile)}));
  } else {
    print_table(*grid, fit, flags, profile);
  }
  return 0;
}

}  // namespace tidegate::cli
