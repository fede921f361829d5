#include "core/workload/generator.h"

#include <algorithm>
#include <cmath>

#include "core/base/math.h"

namespace tidegate::workload {
namespace {

Rng stream(std::uint64_t seed, const Part& part, const char* variable) {
  return Rng(seed, "part " + part.name + " " + variable);
}

Tokens draw_tokens(const TokenSpread& spread, Rng& rng) {
  auto p50 = static_cast<double>(spread.p50);
  double tokens = std::floor(
      rng.lognormal_p50_p90(p50, static_cast<double>(spread.p90.value_or(spread.p50))) + 0.5);
  auto most = static_cast<double>(std::min(spread.max.value_or(kMaxTokens), kMaxTokens));
  return Tokens(static_cast<std::int64_t>(std::clamp(tokens, 1.0, most)));
}

/// Index of the entry drawn; the size where none is. One draw a call, whatever the shares.
std::size_t draw_share(const std::vector<Share>& shares, Rng& rng) {
  if (shares.empty()) return 0;
  double u = rng.uniform();
  std::size_t i = 0;
  for (double sum = 0; i < shares.size(); ++i) {
    sum += shares[i].share;
    // Shares that are 1 in decimal may fall short of it in binary.
    if (u < sum || sum > 1 - 1e-9) break;
  }
  return i;
}

void draw_name(const std::vector<Share>& shares, Rng& rng, std::string& out) {
  std::size_t i = draw_share(shares, rng);
  if (i < shares.size()) {
    out = shares[i].name;
  } else {
    out.clear();
  }
}

std::vector<double> zipf(const PrefixGroups& prefixes) {
  std::vector<double> sums(static_cast<std::size_t>(prefixes.groups));
  double sum = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sums[i] = sum += pow(static_cast<double>(i + 1), -prefixes.zipf);
  }
  for (double& s : sums) s /= sum;
  return sums;
}

/// splitmix64's finaliser: a bijection, so groups and blocks never meet by construction of `x`.
std::uint64_t scramble(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

Generator::Source::Source(const Part& of, Duration duration, std::uint64_t seed)
    : cv(of.cv),
      walk(of.shape, of.from, std::min(of.until, duration), stream(seed, of, "phases")),
      gaps(stream(seed, of, "gaps")),
      lengths(stream(seed, of, "lengths")),
      outputs(stream(seed, of, "outputs")),
      prefixes(stream(seed, of, "prefixes")),
      priorities(stream(seed, of, "priorities")),
      tenants(stream(seed, of, "tenants")),
      adapters(stream(seed, of, "adapters")),
      models(stream(seed, of, "models")) {
  if (of.prefixes) {
    popularity = zipf(*of.prefixes);
    prefix_base = stream(seed, of, "prefix hashes").next();
  }
}

void Generator::Source::step() {
  double need = cv == 0 ? 1 : cv == 1 ? gaps.exponential(1) : gaps.gamma(1 / (cv * cv), cv * cv);
  ended = !walk.advance(need, at);
}

Generator::Generator(Workload workload, std::uint64_t seed) : workload_(std::move(workload)) {
  const auto& classes = workload_.priority_classes;
  sources_.reserve(workload_.parts.size());
  for (const Part& part : workload_.parts) {
    Source& source = sources_.emplace_back(part, workload_.duration, seed);
    source.part = sources_.size() - 1;
    for (const Share& share : part.priorities) {
      auto found = std::find(classes.begin(), classes.end(), share.name);
      source.levels.push_back(found == classes.end() ? 0 : found - classes.begin());
    }
    source.step();
  }
}

bool Generator::next(TraceRequest& out) {
  Source* first = nullptr;
  for (Source& source : sources_) {
    if (!source.ended && (first == nullptr || source.at < first->at)) first = &source;
  }
  if (first == nullptr) {
    ended_ = true;
    return false;
  }
  last_ = first->at;
  fill(*first, out);
  first->step();
  return true;
}

void Generator::fill(Source& source, TraceRequest& out) const {
  const Part& part = workload_.parts[source.part];
  const Lengths& lengths = part.lengths;
  out.at = source.at;
  if (lengths.empirical.empty()) {
    out.prompt = draw_tokens(lengths.prompt.value_or(kPromptTokens), source.lengths);
    out.output = draw_tokens(lengths.output.value_or(kOutputTokens), source.outputs);
  } else {
    const LengthPair& pair = lengths.empirical[source.lengths.below(lengths.empirical.size())];
    out.prompt = pair.prompt;
    out.output = pair.output;
  }
  draw_name(part.models, source.models, out.model);
  draw_name(part.tenants, source.tenants, out.tenant);
  draw_name(part.adapters, source.adapters, out.adapter);
  std::size_t level = draw_share(part.priorities, source.priorities);
  out.priority = level < source.levels.size() ? source.levels[level] : 0;
  out.prefix.clear();
  out.prefix_block_tokens = 0;
  if (!part.prefixes) return;
  const PrefixGroups& prefixes = *part.prefixes;
  double shared = source.prefixes.uniform(), which = source.prefixes.uniform();
  if (shared >= prefixes.share) return;
  out.prompt += Tokens(prefixes.tokens);
  auto found = std::upper_bound(source.popularity.begin(), source.popularity.end(), which);
  auto group = static_cast<std::uint64_t>(found - source.popularity.begin());
  auto blocks = static_cast<std::uint64_t>(prefixes.tokens / prefixes.block_tokens);
  if (blocks == 0) return;
  out.prefix_block_tokens = prefixes.block_tokens;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    out.prefix.push_back(scramble(source.prefix_base + (group << 32) + i));
  }
}

double Generator::progress() const {
  if (ended_ || workload_.duration <= Duration(0)) return 1;
  return to_seconds(last_) / to_seconds(workload_.duration);
}

}  // namespace tidegate::workload
