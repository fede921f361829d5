#include "cli/calibrate_url.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "cli/admin_client.h"
#include "cli/calibrate_run.h"
#include "cli/text_file.h"
#include "format/spec_yaml.h"
#include "live/net/clock.h"
#include "live/net/signals.h"

namespace tidegate::cli {
namespace {

constexpr Duration kAskTimeout = seconds(60);
constexpr Duration kProgressEvery = millis(200);
constexpr std::size_t kLeastPoints = 5;
constexpr std::int64_t kDefaultClients = 256;
constexpr std::int64_t kOtherBatchedTokens[] = {2'048, 16'384};
constexpr std::int64_t kEvaluations = 2'500;

struct Bounds {
  double itl_seconds = 0, ttft_seconds = 0;  ///< 0: none
};

Result<void> bound_flag(std::string_view name, const std::string& text, double& out) {
  if (text.empty()) return {};
  auto parsed = format::parse_duration(text);
  if (!parsed) return fail(parsed.error().within(name));
  if (*parsed <= Duration(0)) return fail(std::string(name) + ": must be above 0");
  out = to_seconds(*parsed);
  return {};
}

Result<Bounds> bounds_of(const CalibrateFlags& flags) {
  Bounds out;
  if (!flags.spec.empty()) {
    auto file = format::load_spec_file(flags.spec);
    if (!file.ok() || file.models.size() != 1) {
      return fail(file.diagnostics.empty() ? flags.spec + ": one model is expected in it"
                                           : file.diagnostics.front().text());
    }
    const spec::Slo& slo = file.models.front().model.slo;
    if (slo.itl) out.itl_seconds = to_seconds(slo.itl->bound);
    if (slo.ttft) out.ttft_seconds = to_seconds(slo.ttft->bound);
  }
  auto checked = bound_flag("--slo-itl", flags.slo_itl, out.itl_seconds).and_then([&] {
    return bound_flag("--slo-ttft", flags.slo_ttft, out.ttft_seconds);
  });
  if (!checked) return fail(checked.error());
  return out;
}

Result<live::EndpointAccess> access_of(const CalibrateFlags& flags) {
  live::EndpointAccess access;
  auto url = net::parse_url(flags.url);
  if (!url) return fail(url.error().within("--url"));
  access.url = *url;
  access.model = flags.model;
  if (flags.chat) access.endpoint = live::LoadEndpoint::kChat;
  if (!flags.api_key_env.empty()) {
    const char* key = std::getenv(flags.api_key_env.c_str());
    if (key == nullptr) return fail("--api-key-env: " + flags.api_key_env + " is not set");
    access.api_key = key;
  }
  return access;
}

Result<live::SweepConfig> config_of(const CalibrateFlags& flags, live::EndpointAccess access,
                                    const live::EndpointFacts& facts, std::uint64_t unique,
                                    double budget_seconds) {
  live::SweepConfig config;
  config.access = std::move(access);
  config.access.model = facts.model;
  config.facts = facts;
  config.time_scale = flags.time_scale;
  config.unique = unique;
  engine::SweepAsk& ask = config.ask;
  ask.max_concurrency = flags.max_concurrency;
  if (ask.max_concurrency == 0) ask.max_concurrency = flags.max_num_seqs;
  if (ask.max_concurrency == 0) ask.max_concurrency = facts.max_num_seqs;
  if (ask.max_concurrency == 0) ask.max_concurrency = kDefaultClients;
  if (facts.max_model_len > 0) ask.max_model_len = facts.max_model_len;
  if (flags.prompt + flags.output > ask.max_model_len) {
    return fail(
        fmt::format("--prompt {} and --output {} do not fit the model's context of {}; give "
                    "smaller ones",
                    flags.prompt, flags.output, ask.max_model_len));
  }
  ask.kv_tokens = flags.kv_tokens > 0 ? flags.kv_tokens : facts.kv_tokens;
  ask.prompt = flags.prompt;
  ask.output = flags.output;
  ask.budget_tokens = flags.budget_tokens;
  ask.budget_seconds = budget_seconds;
  return config;
}

/// Redraws one line on the terminal until it is destroyed.
class SweepBar {
 public:
  SweepBar(net::Loop& loop, const live::SweepRun& run)
      : loop_(loop), run_(run), on_(::isatty(STDERR_FILENO) == 1) {
    if (on_) draw();
  }
  ~SweepBar() {
    if (!on_) return;
    loop_.cancel(timer_);
    fmt::print(stderr, "\r\x1b[K");
  }

 private:
  void draw() {
    fmt::print(stderr, "\r{}\x1b[K", run_.progress());
    std::fflush(stderr);
    timer_ = loop_.after(kProgressEvery, [this] { draw(); });
  }
  net::Loop& loop_;
  const live::SweepRun& run_;
  bool on_;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
};

Result<live::SweepResult> swept(live::SweepConfig config) {
  // One descriptor a client.
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  auto loop = net::Loop::create();
  if (!loop) return fail(loop.error());
  live::SweepRun run(**loop, std::move(config));
  auto signals = net::Signals::create(**loop, [&](int) {
    if (run.result().interrupted) std::_Exit(1);
    run.stop();
  });
  if (!signals) return fail(signals.error());
  SweepBar bar(**loop, run);
  run.start([&] { (*loop)->stop(); });
  (*loop)->run();
  return run.result();
}

/// "vLLM 0.19.1" against 0 and 19; false where it is another engine or does not say.
bool vllm_at_least(const std::string& engine, int major, int minor) {
  int a = 0, b = 0;
  if (std::sscanf(engine.c_str(), "vLLM %d.%d", &a, &b) != 2) return false;
  return a > major || (a == major && b >= minor);
}

engine::Options options_of(const CalibrateFlags& flags, const CalibratedUrl& c) {
  engine::Options o;
  engine::Profile& p = o.profile;
  std::int64_t clients = 1, longest = 1;
  for (const auto& m : c.sweep.measured) {
    clients = std::max(clients, m.point.concurrency);
    longest = std::max(longest, m.point.prompt + m.point.output);
  }
  const std::int64_t known[] = {flags.max_num_seqs, c.facts.max_num_seqs, c.sweep.sequence_limit};
  o.max_num_seqs = 0;
  for (std::int64_t n : known) {
    if (o.max_num_seqs == 0) o.max_num_seqs = n;
  }
  if (o.max_num_seqs == 0) o.max_num_seqs = std::max(kDefaultClients, clients);
  o.max_num_batched_tokens = flags.max_num_batched_tokens > 0     ? flags.max_num_batched_tokens
                             : c.facts.max_num_batched_tokens > 0 ? c.facts.max_num_batched_tokens
                                                                  : kDefaultBatchedTokens;
  o.max_num_batched_tokens = std::max(o.max_num_batched_tokens, o.max_num_seqs);
  p.max_num_seqs = o.max_num_seqs;
  p.max_num_batched_tokens = o.max_num_batched_tokens;
  p.max_model_len =
      c.facts.max_model_len > 0 ? c.facts.max_model_len : std::max(p.max_model_len, longest);
  if (c.facts.block_size > 0) p.block_size = c.facts.block_size;
  if (c.facts.kv_tokens > 0) p.kv_tokens = c.facts.kv_tokens;
  if (flags.kv_tokens > 0) p.kv_tokens = flags.kv_tokens;
  p.reserve_full_prompt = vllm_at_least(c.facts.engine, 0, 19);
  return o;
}

void fit(const CalibrateFlags& flags, CalibratedUrl& c) {
  std::vector<engine::GridPoint> points;
  for (const auto& m : c.sweep.measured) points.push_back(m.grid());
  engine::GridSettings settings;
  settings.seed = flags.seed;
  settings.holdout = flags.holdout;
  settings.kv_recorded = flags.kv_tokens > 0 || c.facts.kv_tokens > 0;
  settings.ramp_cut = 1;
  settings.evaluations = flags.evaluations > 0 ? flags.evaluations : kEvaluations;
  settings.trials = {{.async_scheduling = 1}};
  if (flags.max_num_batched_tokens == 0 && c.facts.max_num_batched_tokens == 0) {
    for (std::int64_t tokens : kOtherBatchedTokens)
      settings.trials.push_back({.max_num_batched_tokens = tokens});
  }
  settings.progress = progress_line(fmt::format("fitting {} points", points.size()));
  c.fit = engine::fit_grid(points, options_of(flags, c), settings);
  end_progress(settings.progress);
}

engine::Profile profile_of(const CalibrateFlags& flags, const CalibratedUrl& c) {
  engine::Profile p = c.fit.options.profile;
  std::string named = c.facts.model.substr(c.facts.model.find_last_of('/') + 1);
  p.name = profile_name(flags, named.empty() ? "measured" : named);
  if (c.fit.kv == engine::KvKnowledge::kNotReached)
    p.kv_tokens = (c.fit.kv_held_tokens + p.block_size - 1) / p.block_size * p.block_size;
  p.max_model_len = std::min(p.max_model_len, p.kv_tokens);  // no longer request could be held
  std::int64_t clients = 1, longest = 1;
  for (const auto& m : c.sweep.measured) {
    clients = std::max(clients, m.point.concurrency);
    longest = std::max(longest, m.point.prompt);
  }
  // A URL with a user or a password in it is nobody else's business.
  auto url = net::parse_url(flags.url);
  const bool tell = url && flags.url.find('@') == std::string::npos;
  const auto now =
      static_cast<std::time_t>(net::WorldClock::wall_now().unix_nanos() / 1'000'000'000);
  std::string command = fmt::format("tidegate calibrate --url ... --prompt {} --output {}",
                                    flags.prompt, flags.output);
  if (flags.time_scale != 1) command += fmt::format(" --time-scale {:g}", flags.time_scale);
  p.provenance = fmt::format(
      "measured: {} on {}{}, {:%F}{} ({}, seed {}); {}{} points, up to {} clients and prompts of "
      "{} "
      "tokens; median error: {}{}; {}",
      c.facts.model, c.facts.engine.empty() ? "an engine that does not say" : c.facts.engine,
      tell ? " at " + url->address.text() : "", fmt::gmtime(now),
      flags.source.empty() ? "" : ", by " + flags.source, command, flags.seed,
      c.sweep.interrupted ? "interrupted: " : "", c.sweep.measured.size(), clients, longest,
      error_words(c.fit.fitted),
      c.fit.held_out.points > 0 ? "; held out of the fit: " + error_words(c.fit.held_out) : "",
      kv_sentence(flags, c));
  return p;
}

void recommend(const CalibrateFlags& flags, const Bounds& bounds, CalibratedUrl& c) {
  c.ask.options = c.fit.options;
  c.ask.client = c.fit.client;
  c.ask.prompt = flags.prompt;
  c.ask.output = flags.output;
  c.ask.itl_seconds = bounds.itl_seconds;
  c.ask.ttft_seconds = bounds.ttft_seconds;
  c.ask.most = 1;
  for (const auto& m : c.sweep.measured) c.ask.most = std::max(c.ask.most, m.point.concurrency);
  c.ask.kv_known = c.fit.kv != engine::KvKnowledge::kNotReached;
  c.recommended = engine::recommend(c.ask);
}

void note(const CalibrateFlags& flags, CalibratedUrl& c) {
  auto add = [&](std::string text) { c.notes.push_back(std::move(text)); };
  if (c.sweep.interrupted) {
    add(fmt::format("interrupted: {} of {} points were measured", c.sweep.measured.size(),
                    c.sweep.points));
  }
  if (!c.sweep.failure.empty()) add("gave up: " + c.sweep.failure);
  for (const auto& d : c.sweep.dropped) {
    add(fmt::format("left out: {} clients of {}+{} tokens: {}", d.point.concurrency, d.point.prompt,
                    d.point.output, d.words));
  }
  if (c.sweep.left_out > 0) {
    add(fmt::format("{} of {} points were not measured: {}", c.sweep.left_out, c.sweep.points,
                    c.sweep.sequence_limit > 0 ? "beyond the engine's maxNumSeqs, or the budget"
                                               : "the budget (--budget, --budget-tokens)"));
  }
  if (c.sweep.cached_share > 0.005) {
    add(
        fmt::format("{:.1f} % of the prompts' tokens were found in its prefix cache: TTFT is "
                    "flattered",
                    100 * c.sweep.cached_share));
  }
  if (!c.facts.dialect) add("no metrics page: KV, queueing and prefix hits cannot be seen");
  if (!c.facts.counts_tokens)
    add("its streams carry no usage: a word counts as a token, and so does a piece of a stream");
  if (c.facts.end_of_text == live::EndOfText::kHonoured)
    add("it does not take ignore_eos: answers end when the model ends them");
  if (flags.max_num_seqs == 0 && c.facts.max_num_seqs == 0 && c.sweep.sequence_limit == 0) {
    add(fmt::format("maxNumSeqs was not told and never reached: {} assumed (--max-num-seqs)",
                    c.fit.options.max_num_seqs));
  }
  if (flags.max_num_batched_tokens == 0 && c.facts.max_num_batched_tokens == 0) {
    add(
        fmt::format("maxNumBatchedTokens was not told: {} explains the points best of {}, {} and "
                    "{} (--max-num-batched-tokens)",
                    c.fit.options.max_num_batched_tokens, kOtherBatchedTokens[0],
                    kDefaultBatchedTokens, kOtherBatchedTokens[1]));
  }
}

Result<CalibratedUrl> calibrated(const CalibrateFlags& flags) {
  if (!(flags.time_scale > 0 && flags.time_scale <= 1000))
    return fail(fmt::format("--time-scale {}: above 0 and at most 1000", flags.time_scale));
  auto bounds = bounds_of(flags);
  if (!bounds) return fail(bounds.error());
  double budget_seconds = 0;
  if (auto got = bound_flag("--budget", flags.budget, budget_seconds); !got) {
    return fail(got.error());
  }
  auto access = access_of(flags);
  if (!access) return fail(access.error());
  // Other texts in every run: the engine must not know them from the last one.
  const auto unique = static_cast<std::uint64_t>(net::WorldClock::wall_now().unix_nanos());
  auto facts = live::ask_endpoint(*access, unique, kAskTimeout);
  if (!facts) return fail(facts.error());
  CalibratedUrl c;
  c.facts = *facts;
  auto config = config_of(flags, *access, *facts, unique + 1'000, budget_seconds);
  if (!config) return fail(config.error());
  auto result = swept(std::move(*config));
  if (!result) return fail(result.error());
  c.sweep = std::move(*result);
  if (c.sweep.measured.size() < kLeastPoints) {
    note(flags, c);
    std::string message = fmt::format(
        "{} points were measured, at least {} are needed; nothing is "
        "fitted or written",
        c.sweep.measured.size(), kLeastPoints);
    for (std::size_t i = 0; i < std::min<std::size_t>(c.notes.size(), 4); ++i)
      message += "; " + c.notes[i];
    return fail(message);
  }
  fit(flags, c);
  note(flags, c);
  c.profile = profile_of(flags, c);
  recommend(flags, *bounds, c);
  return c;
}

}  // namespace

int calibrate_url(const CalibrateFlags& flags) {
  auto c = calibrated(flags);
  if (!c) return report(c.error());
  for (const std::string& text : c->notes) fmt::print(stderr, "tidegate: warning: {}\n", text);
  if (auto wrote = write_profile(flags, c->profile); !wrote) return report(wrote.error());
  if (!flags.report.empty()) {
    if (auto wrote = write_text(flags.report, calibrated_html(*c)); !wrote)
      return report(wrote.error());
  }
  print_calibrated(*c, flags);
  return c->sweep.interrupted || !c->sweep.failure.empty() ? 1 : 0;
}

}  // namespace tidegate::cli
