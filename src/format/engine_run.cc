#include "format/engine_run.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "format/csv_table.h"

namespace tidegate::format {
namespace {

using nlohmann::json;

constexpr double kMostTokens = 1e8, kMostSeconds = 1e9;

/// A row of requests.jsonl; times in seconds as written, NaN where there is none.
struct Row {
  double arrival = NAN, queued = NAN, scheduled = NAN, first = NAN, last = NAN;
  double prompt = NAN, output = NAN;
  bool failed = false;
};

const json* find(const json& object, std::initializer_list<const char*> path) {
  const json* at = &object;
  for (const char* key : path) {
    if (!at->is_object()) return nullptr;
    auto next = at->find(key);
    if (next == at->end() || next->is_null()) return nullptr;
    at = &*next;
  }
  return at;
}
double number(const json& object, std::initializer_list<const char*> path) {
  const json* value = find(object, path);
  return value != nullptr && value->is_number() ? value->get<double>() : NAN;
}
std::string text(const json& object, std::initializer_list<const char*> path) {
  const json* value = find(object, path);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}
bool flag(const json& object, std::initializer_list<const char*> path, bool otherwise) {
  const json* value = find(object, path);
  return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

/// A positive count, or `otherwise` with a sentence about it.
std::int64_t count(double value, std::int64_t otherwise, const std::string& what,
                   std::vector<std::string>& assumed) {
  if (value >= 1 && value < 1e12) return static_cast<std::int64_t>(value);
  if (!what.empty()) assumed.push_back(what + " is not recorded; " + std::to_string(otherwise));
  return otherwise;
}

/// "0.19.0" >= 0.19? Unknown versions count as new.
bool at_least(const std::string& version, int major, int minor) {
  int found[2] = {0, 0};
  const char* at = version.data();
  const char* end = at + version.size();
  if (at != end && *at == 'v') ++at;
  for (int& part : found) {
    auto [next, error] = std::from_chars(at, end, part);
    if (error != std::errc{}) return true;
    at = next == end ? next : next + 1;
  }
  return std::pair(found[0], found[1]) >= std::pair(major, minor);
}

Result<void> read_meta(const std::string& path, EngineRun& run) {
  auto bytes = read_text_file(path);
  if (!bytes) return fail(bytes.error());
  json meta = json::parse(*bytes, nullptr, false);
  if (!meta.is_object()) return fail(path + ": is not a JSON object");
  run.model = text(meta, {"model"});
  run.device = text(meta, {"hardware", "device_name"});
  const std::string version = text(meta, {"vllm_version"});
  run.engine = version.empty() ? text(meta, {"engine"}) : "vLLM " + version;
  auto& assumed = run.assumed;
  engine::Options& o = run.options;
  spec::Profile& p = o.profile;
  auto argument = [&](const char* name) { return number(meta, {"engine_kwargs", name}); };
  o.max_num_seqs = count(argument("max_num_seqs"), 256, "max_num_seqs", assumed);
  o.max_num_batched_tokens =
      count(argument("max_num_batched_tokens"), std::max<std::int64_t>(2'048, o.max_num_seqs),
            "max_num_batched_tokens", assumed);
  if (o.max_num_batched_tokens < o.max_num_seqs) {
    return fail(path + ": max_num_batched_tokens " + std::to_string(o.max_num_batched_tokens) +
                " is below max_num_seqs " + std::to_string(o.max_num_seqs));
  }
  run.tensor_parallel_size = count(argument("tensor_parallel_size"), 1, "", assumed);
  o.data_parallel_size = count(argument("data_parallel_size"), 1, "", assumed);
  p.max_num_seqs = o.max_num_seqs;
  p.max_num_batched_tokens = o.max_num_batched_tokens;
  p.data_parallel_size = o.data_parallel_size;
  p.max_model_len = count(argument("max_model_len"), 131'072, "", assumed);
  const double block = number(meta, {"kv_cache", "block_size"});
  p.block_size = count(std::isnan(block) ? argument("block_size") : block, 16, "", assumed);
  double tokens = number(meta, {"kv_cache", "num_kv_tokens"});
  const double blocks = number(meta, {"kv_cache", "num_gpu_blocks"});
  if (std::isnan(tokens)) tokens = blocks * static_cast<double>(p.block_size);
  run.kv_recorded = tokens >= static_cast<double>(p.block_size) && tokens < 1e12;
  if (run.kv_recorded) p.kv_tokens = static_cast<std::int64_t>(tokens);
  o.prefix_caching = flag(meta, {"kv_cache", "enable_prefix_caching"},
                          flag(meta, {"engine_kwargs", "enable_prefix_caching"}, true));
  // From these versions of vLLM on both are on by default.
  p.async_scheduling = flag(meta, {"engine_kwargs", "async_scheduling"}, at_least(version, 0, 14));
  p.reserve_full_prompt =
      flag(meta, {"engine_kwargs", "scheduler_reserve_full_isl"}, at_least(version, 0, 19));
  return {};
}

/// Empty, or why the line cannot be read.
std::string read_row(std::string_view line, Row& row) {
  json object = json::parse(line, nullptr, false);
  if (!object.is_object()) return "is not a JSON object";
  row.arrival = number(object, {"arrival_time"});
  row.queued = number(object, {"queued_ts"});
  row.scheduled = number(object, {"scheduled_ts"});
  row.first = number(object, {"first_token_ts"});
  row.last = number(object, {"last_token_ts"});
  row.prompt = number(object, {"input_toks"});
  row.output = number(object, {"output_toks"});
  const json* error = find(object, {"error"});
  row.failed = error != nullptr && !(error->is_string() && error->get<std::string>().empty());
  if (std::isnan(row.prompt)) return "has no number input_toks";
  if (row.prompt < 0 || row.prompt > kMostTokens)
    return "input_toks is out of range (0 to 100000000)";
  if (row.output > kMostTokens) return "output_toks is out of range (0 to 100000000)";
  const bool answered = row.first > 0 && row.last > 0 && row.output >= 1 && row.prompt >= 1;
  row.failed = row.failed || !answered;
  if (row.failed) return {};
  if (std::isnan(row.queued)) return "has no number queued_ts";
  if (row.first < row.queued || row.last < row.first)
    return "times run backwards; expected queued_ts <= first_token_ts <= last_token_ts";
  if (row.last - row.queued > kMostSeconds) return "lasted longer than 1e9 s; are times seconds?";
  return {};
}

Result<std::vector<Row>> read_rows(const std::string& path, std::int64_t& failed) {
  auto bytes = read_text_file(path);
  if (!bytes) return fail(bytes.error());
  std::vector<Row> rows;
  std::string_view rest = *bytes;
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Row row;
    if (std::string fault = read_row(line, row); !fault.empty())
      return fail(path + ":" + std::to_string(number) + ": " + fault);
    if (rows.size() == kMaxRunRequests)
      return fail(path + ": more than " + std::to_string(kMaxRunRequests) + " requests");
    if (row.failed) {
      ++failed;
    } else {
      rows.push_back(row);
    }
  }
  if (rows.empty()) return fail(path + ": no request has all its times and tokens");
  return rows;
}

void take_rows(const std::vector<Row>& rows, EngineRun& run) {
  double offset = INFINITY;
  bool arrivals = true;
  for (const Row& row : rows) {
    arrivals = arrivals && !std::isnan(row.arrival);
    offset = std::min(offset, row.queued - row.arrival);
  }
  if (!arrivals) run.assumed.push_back("arrival_time is not recorded; a request arrives as queued");
  double start = INFINITY;
  for (const Row& row : rows) start = std::min(start, arrivals ? row.arrival + offset : row.queued);
  for (const Row& row : rows) {
    engine::RunRequest request;
    auto since = [&](double at) { return seconds_f(at - start); };
    request.arrival = since(arrivals ? row.arrival + offset : row.queued);
    request.queued = since(row.queued);
    request.chosen = since(std::isnan(row.scheduled) ? row.queued : row.scheduled);
    request.first = since(row.first);
    request.last = since(row.last);
    request.prompt = static_cast<std::int64_t>(row.prompt);
    request.output = static_cast<std::int64_t>(row.output);
    run.requests.push_back(request);
    run.options.profile.max_model_len =
        std::max(run.options.profile.max_model_len, request.prompt + request.output);
  }
  std::stable_sort(run.requests.begin(), run.requests.end(),
                   [](const auto& a, const auto& b) { return a.arrival < b.arrival; });
}

/// Moves the samples so that running + waiting is what the requests' own times say.
void align(EngineRun& run) {
  std::vector<Duration> queued, last;
  for (const engine::RunRequest& r : run.requests) {
    queued.push_back(r.queued);
    last.push_back(r.last);
  }
  std::sort(queued.begin(), queued.end());
  std::sort(last.begin(), last.end());
  auto before = [](const std::vector<Duration>& times, Duration t) {
    return static_cast<double>(std::upper_bound(times.begin(), times.end(), t) - times.begin());
  };
  Duration best{0};
  double least = INFINITY;
  for (int step = 0; step <= 40; ++step) {
    const Duration shift = millis(50) * ((step + 1) / 2) * (step % 2 == 0 ? 1 : -1);
    double off = 0;
    for (const engine::RunSample& s : run.samples) {
      double inside = before(queued, s.at + shift) - before(last, s.at + shift);
      off += std::abs(s.running + s.waiting - inside);
    }
    if (off < least) {
      least = off;
      best = shift;
    }
  }
  for (engine::RunSample& s : run.samples) s.at = std::max(Duration(0), s.at + best);
}

Result<void> read_samples(const std::string& path, EngineRun& run) {
  auto table = read_csv_table(path);
  if (!table) return fail(table.error());
  for (const char* column : {"t", "running", "waiting"}) {
    if (!table->has(column))
      return fail(path + ":1: has no column \"" + column +
                  "\"; expected t, running, waiting and, where known, kv_cache_pct");
  }
  for (std::size_t row = 0; row < table->rows(); ++row) {
    auto t = table->number(row, "t"), running = table->number(row, "running"),
         waiting = table->number(row, "waiting");
    if (!t || !running || !waiting || *t < 0 || *t > kMostSeconds) {
      return fail(path + ":" + std::to_string(table->line(row)) +
                  ": t, running and waiting must be numbers, t from 0 on");
    }
    engine::RunSample sample{seconds_f(*t), *running, *waiting, 0};
    sample.kv_usage = table->number(row, "kv_cache_pct").value_or(0) / 100;
    run.samples_have_kv = run.samples_have_kv || sample.kv_usage > 0;
    if (!run.samples.empty() && sample.at < run.samples.back().at)
      return fail(path + ":" + std::to_string(table->line(row)) + ": t goes back");
    run.samples.push_back(sample);
    run.options.max_num_seqs = std::max(
        run.options.max_num_seqs, static_cast<std::int64_t>(*running) /
                                      std::max<std::int64_t>(1, run.options.data_parallel_size));
  }
  align(run);
  return {};
}

}  // namespace

Result<EngineRun> read_engine_run(const std::string& directory) {
  const std::filesystem::path root(directory);
  std::error_code error;
  if (!std::filesystem::is_directory(root, error)) {
    return fail(directory +
                ": is not a directory; a run has meta.json, requests.jsonl and timeseries.csv");
  }
  EngineRun run;
  if (auto read = read_meta((root / "meta.json").string(), run); !read) return fail(read.error());
  auto rows = read_rows((root / "requests.jsonl").string(), run.failed);
  if (!rows) return fail(rows.error());
  take_rows(*rows, run);
  const std::string samples = (root / "timeseries.csv").string();
  if (std::filesystem::exists(samples, error)) {
    if (auto read = read_samples(samples, run); !read) return fail(read.error());
  }
  run.options.profile.max_num_seqs = run.options.max_num_seqs;
  run.options.max_num_batched_tokens =
      std::max(run.options.max_num_batched_tokens, run.options.max_num_seqs);
  run.options.profile.max_num_batched_tokens = run.options.max_num_batched_tokens;
  return run;
}

}  // namespace tidegate::format
