#include "cli/calibrate_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/admin_client.h"
#include "cli/text_file.h"
#include "format/profile.h"
#include "live/net/clock.h"

namespace tidegate::cli {
namespace {

using engine::Figures;
using engine::KvKnowledge;
using nlohmann::ordered_json;

std::string kv_sentence(const CalibratedRun& c, const CalibrateFlags& flags) {
  const std::int64_t tokens = c.fit.options.profile.kv_tokens;
  if (flags.kv_tokens > 0 && c.fit.kv == KvKnowledge::kRecorded) return given_kv(flags);
  switch (c.fit.kv) {
    case KvKnowledge::kRecorded:
      return fmt::format("KV {} tokens as the engine reported", tokens);
    case KvKnowledge::kRaised:
      return fmt::format(
          "KV {} tokens: the engine reported {}, the run shows that a little more fitted in "
          "(prefixes shared between requests are not recorded)",
          tokens, c.run.options.profile.kv_tokens);
    case KvKnowledge::kFitted:
      return fmt::format("KV {} tokens fitted: not recorded, but it bound in this run", tokens);
    case KvKnowledge::kNotReached:
      break;
  }
  return fmt::format(
      "KV not recorded and never full in this run: {} tokens are what was held at most, the engine "
      "has more",
      c.fit.kv_held_tokens);
}

std::string error_sentence(const CalibratedRun& c) {
  std::string out;
  const auto all = engine::compare(c.run.requests, c.played.requests);
  for (std::size_t i = 0; i < all.size(); ++i) {
    out += fmt::format("{}{}", i == 0 ? "" : "; ", engine::kLatencyNames[i]);
    for (std::size_t f = 0; f < Figures::kNames.size(); ++f)
      out += fmt::format(" {} {:+.1f} %", Figures::kNames[f], 100 * all[i].error(f));
  }
  return out;
}

engine::Profile profile_of(const CalibratedRun& c, const CalibrateFlags& flags) {
  engine::Profile p = c.fit.options.profile;
  p.name = profile_name(flags, c.name);
  p.max_num_seqs = c.fit.options.max_num_seqs;
  p.max_num_batched_tokens = c.fit.options.max_num_batched_tokens;
  if (c.fit.kv == KvKnowledge::kNotReached) {
    p.kv_tokens = std::max(p.block_size,
                           (c.fit.kv_held_tokens + p.block_size - 1) / p.block_size * p.block_size);
  }
  p.max_model_len = std::min(p.max_model_len, p.kv_tokens);  // no longer request could be held
  const auto count = static_cast<std::int64_t>(c.run.requests.size());
  const std::string fitted =
      flags.fit_first > 0 && flags.fit_first < count
          ? fmt::format("the first {} of {} requests", flags.fit_first, count)
          : fmt::format("all {} requests", count);
  p.provenance = fmt::format(
      "measured: run {} of {}{}, {}{}{}; fitted to {} (tidegate calibrate, seed {}); "
      "error replaying the whole run: {}; {}",
      c.name, c.run.model.empty() ? "an unnamed model" : c.run.model,
      c.run.device.empty() ? "" : " on " + c.run.device,
      c.run.engine.empty() ? "unnamed engine" : c.run.engine,
      c.run.tensor_parallel_size > 1
          ? fmt::format(", tensor parallel {}", c.run.tensor_parallel_size)
          : "",
      flags.source.empty() ? "" : ", by " + flags.source, fitted, flags.seed, error_sentence(c),
      kv_sentence(c, flags));
  return p;
}

void print_table(const CalibratedRun& c, const CalibrateFlags& flags, const engine::Profile& p) {
  fmt::print("{}: {} requests{}, {}{}, {} replays, seed {}\n", c.name, c.run.requests.size(),
             c.run.failed > 0 ? fmt::format(" ({} failed left out)", c.run.failed) : "",
             c.run.model, c.run.engine.empty() ? "" : ", " + c.run.engine, c.fit.evaluations,
             flags.seed);
  if (flags.fit_first > 0) {
    fmt::print("fitted on the times of the first {}; compared over all\n", flags.fit_first);
  }
  fmt::print("\n{:<12}{:>12}{:>12}{:>9}\n", "", "measured", "predicted", "error");
  const auto all = engine::compare(c.run.requests, c.played.requests);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t f = 0; f < Figures::kNames.size(); ++f) {
      fmt::print("{:<6}{:<6}{:>11.4g}s{:>11.4g}s{:>+8.2f}%\n", engine::kLatencyNames[i],
                 Figures::kNames[f], all[i].measured.values[f], all[i].predicted.values[f],
                 100 * all[i].error(f));
    }
  }
  if (!c.run.samples.empty()) {
    const GaugeErrors g = gauge_errors(c);
    fmt::print("\nover time, mean absolute difference (of a measured mean)\n");
    fmt::print("running     {:.2f} of {:.1f}\nwaiting     {:.2f} of {:.1f}\n", g.running,
               g.mean_running, g.waiting, g.mean_waiting);
    if (c.run.samples_have_kv && c.fit.kv != KvKnowledge::kNotReached) {
      fmt::print("KV          {:.1f} of {:.1f} % (points)\n", 100 * g.kv, 100 * g.mean_kv);
    }
  }
  fmt::print("\n{}\n", step_sentence(p));
  fmt::print("{}\n", kv_sentence(c, flags));
  if (c.fit.warm_up.factor > 1.1) {
    fmt::print("the first {} steps took {:.1f} times as long (a cold engine; not in the profile)\n",
               c.fit.warm_up.steps, c.fit.warm_up.factor);
  }
  if (!flags.out.empty()) fmt::print("wrote {}\n", flags.out);
}

ordered_json series_json(const CalibratedRun& c) {
  ordered_json out{{"t", ordered_json::array()}};
  for (const char* side : {"measured", "predicted"}) {
    for (const char* gauge : {"running", "waiting", "kv"}) out[side][gauge] = ordered_json::array();
  }
  for (std::size_t i = 0; i < c.run.samples.size(); ++i) {
    out["t"].push_back(to_seconds(c.run.samples[i].at));
    for (bool measured : {true, false}) {
      const engine::RunSample& s = measured ? c.run.samples[i] : c.played.samples[i];
      ordered_json& side = out[measured ? "measured" : "predicted"];
      side["running"].push_back(s.running);
      side["waiting"].push_back(s.waiting);
      side["kv"].push_back(s.kv_usage);
    }
  }
  return out;
}

ordered_json to_json(const CalibratedRun& c, const CalibrateFlags& flags,
                     const engine::Profile& p) {
  ordered_json out{{"run", c.name},
                   {"model", c.run.model},
                   {"engine", c.run.engine},
                   {"device", c.run.device},
                   {"requests", c.run.requests.size()},
                   {"failed", c.run.failed},
                   {"fitFirst", flags.fit_first},
                   {"seed", flags.seed},
                   {"replays", c.fit.evaluations},
                   {"fitError", c.fit.error},
                   {"warmUpFactor", c.fit.warm_up.factor},
                   {"kv", token(c.fit.kv)},
                   {"kvHeldTokens", c.fit.kv_held_tokens},
                   {"preemptions", c.played.preemptions},
                   {"profile", format::profile_yaml(p)}};
  const auto all = engine::compare(c.run.requests, c.played.requests);
  constexpr const char* kKeys[] = {"ttft", "tpot", "e2e"};
  for (std::size_t i = 0; i < std::size(kKeys); ++i) {
    for (std::size_t f = 0; f < Figures::kNames.size(); ++f) {
      out[kKeys[i]][std::string(Figures::kNames[f])] = {{"measured", all[i].measured.values[f]},
                                                        {"predicted", all[i].predicted.values[f]},
                                                        {"error", all[i].error(f)}};
    }
  }
  if (!c.run.samples.empty()) {
    const GaugeErrors g = gauge_errors(c);
    out["meanAbsoluteDifference"] = {{"running", g.running}, {"waiting", g.waiting}};
    if (c.run.samples_have_kv) out["meanAbsoluteDifference"]["kv"] = g.kv;
    out["series"] = series_json(c);
  }
  out["assumed"] = c.run.assumed;
  return out;
}

Result<CalibratedRun> fitted(const CalibrateFlags& flags) {
  CalibratedRun c;
  std::filesystem::path directory = std::filesystem::path(flags.run).lexically_normal();
  if (!directory.has_filename()) directory = directory.parent_path();
  c.name = directory.filename().string();
  auto run = format::read_engine_run(flags.run);
  if (!run) return fail(run.error());
  c.run = std::move(*run);
  if (flags.kv_tokens > 0) {
    c.run.options.profile.kv_tokens = flags.kv_tokens;
    c.run.kv_recorded = true;
  }
  for (const engine::RunRequest& r : c.run.requests) {
    if (c.run.kv_recorded && r.prompt + r.output > c.run.options.profile.kv_tokens) {
      return fail(fmt::format("{}: a request of {} + {} tokens cannot fit the KV of {} tokens",
                              flags.run, r.prompt, r.output, c.run.options.profile.kv_tokens));
    }
  }
  engine::FitSettings settings;
  settings.seed = flags.seed;
  settings.first = flags.fit_first;
  settings.kv_recorded = c.run.kv_recorded;
  settings.samples = c.run.samples;
  // A longer run says more each time it is played, and takes longer.
  const auto count = static_cast<std::int64_t>(c.run.requests.size());
  settings.evaluations = std::clamp<std::int64_t>(6'000 * 1'000 / count, 800, 6'000);
  if (flags.evaluations > 0) settings.evaluations = flags.evaluations;
  settings.progress = progress_line("fitting " + c.name);
  c.fit = engine::fit_run(c.run.requests, c.run.options, settings);
  end_progress(settings.progress);
  std::vector<Duration> at;
  for (const engine::RunSample& sample : c.run.samples) at.push_back(sample.at);
  c.played = engine::replay(c.run.requests, c.fit.options, at, c.fit.warm_up);
  return c;
}

}  // namespace

std::function<void(double)> progress_line(const std::string& what) {
  if (::isatty(STDERR_FILENO) != 1) return {};
  const Instant began = net::WorldClock::mono_now();
  return [what, began](double share) {
    const double passed = to_seconds(net::WorldClock::mono_now() - began);
    if (passed < 2) return;
    fmt::print(stderr, "\r{:3.0f}% {}, {:.0f} s left\x1b[K", 100 * std::min(share, 1.0), what,
               share > 0.01 ? passed * (1 - share) / share : 0);
    std::fflush(stderr);
  };
}

void end_progress(const std::function<void(double)>& progress) {
  if (progress) fmt::print(stderr, "\r\x1b[K");
}

std::string profile_name(const CalibrateFlags& flags, const std::string& otherwise) {
  std::string name = flags.name;
  if (name.empty() && !flags.out.empty()) name = std::filesystem::path(flags.out).stem().string();
  if (name.empty()) name = otherwise;
  for (char& c : name) {
    if (c == '/' || c == ' ') c = '-';
  }
  return name;
}

std::string step_sentence(const engine::Profile& p) {
  return fmt::format(
      "step = {} + {} a prefill token + {} a decoding sequence + {} a token of its context "
      "+ {} a prefill token and token of its context",
      format::format_femtos(p.c0_fs), format::format_femtos(p.c1_fs),
      format::format_femtos(p.c2_fs), format::format_femtos(p.c3_fs),
      format::format_femtos(p.c4_fs));
}

std::string given_kv(const CalibrateFlags& flags) {
  return fmt::format("KV {} tokens{}", flags.kv_tokens,
                     flags.kv_from.empty() ? " as given" : ": " + flags.kv_from);
}

Result<void> write_profile(const CalibrateFlags& flags, const engine::Profile& profile) {
  return write_text(flags.out, format::profile_yaml(profile));
}

GaugeErrors gauge_errors(const CalibratedRun& c) {
  GaugeErrors out;
  const auto count = static_cast<double>(c.run.samples.size());
  for (std::size_t i = 0; i < c.run.samples.size(); ++i) {
    const engine::RunSample &a = c.run.samples[i], &b = c.played.samples[i];
    out.running += std::abs(a.running - b.running) / count;
    out.waiting += std::abs(a.waiting - b.waiting) / count;
    out.kv += std::abs(a.kv_usage - b.kv_usage) / count;
    out.mean_running += a.running / count;
    out.mean_waiting += a.waiting / count;
    out.mean_kv += a.kv_usage / count;
  }
  return out;
}

int calibrate_run(const CalibrateFlags& flags) {
  auto c = fitted(flags);
  if (!c) return report(c.error());
  const engine::Profile profile = profile_of(*c, flags);
  for (const std::string& line : c->run.assumed)
    fmt::print(stderr, "tidegate: warning: {}: {}\n", c->name, line);
  if (auto wrote = write_profile(flags, profile); !wrote) return report(wrote.error());
  if (!flags.report.empty()) {
    if (auto wrote = write_text(flags.report, calibration_html(*c)); !wrote) {
      return report(wrote.error());
    }
  }
  if (parse_format(flags.format) == Format::kJson) {
    print_results(ordered_json::array({to_json(*c, flags, profile)}));
  } else {
    print_table(*c, flags, profile);
  }
  return 0;
}

}  // namespace tidegate::cli
