#include "format/trace.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "core/base/rng.h"
#include "format/trace_rows.h"

namespace tidegate::format {

using workload::TraceRequest;

std::string_view trace_formats() {
  return "TIMESTAMP,ContextTokens,GeneratedTokens (Azure CSV)\n"
         "Timestamp,Model,Request tokens,Response tokens,... (BurstGPT CSV)\n"
         "{\"timestamp\", \"input_length\", \"output_length\", \"hash_ids\"} a line (Mooncake "
         "JSONL; with \"chat_id\" Qwen-Bailian's, in seconds)\n"
         "{\"request_id\", \"input_toks\", \"output_toks\", \"arrival_time\"} a line (engine run)\n"
         "time,prompt_tokens,output_tokens[,model,tenant,priority,adapter,prefix] (Tidegate CSV)\n"
         "time,rate (requests per second; lengths from --lengths or log-normal)";
}

std::string TraceNotes::text() const {
  if (skipped == 0) return {};
  std::string out = std::to_string(skipped) + " of " + std::to_string(rows) + " rows skipped: ";
  for (const Skipped& row : first) {
    out += (&row == first.data() ? "line " : "; line ") + std::to_string(row.line) + ": " + row.why;
  }
  return skipped > static_cast<std::int64_t>(first.size()) ? out + "; ..." : out;
}

struct TraceReader::Row {
  Duration time{0};  // in the trace's own time, since its start
  TraceRequest request;
};

struct TraceReader::State {
  State(std::unique_ptr<std::istream> stream, const TraceOptions& with)
      : in(std::move(stream)),
        lines(*in),
        options(with),
        thinning(with.seed, "trace thinning"),
        copying(with.seed, "trace copies"),
        arrivals(with.seed, "trace arrivals"),
        lengths(with.seed, "trace lengths") {}

  struct Segment {
    double start_seconds = 0;
    double rate = 0;
  };

  std::unique_ptr<std::istream> in;
  LineReader lines;
  TraceOptions options;
  RowFormat rows;
  TraceNotes notes;
  std::int64_t size_bytes = 0;
  Rng thinning;
  Rng copying;
  Rng arrivals;
  Rng lengths;

  std::optional<Duration> origin;  // the first row's, where times are calendar times
  /// Seconds since 1970, of a day after September 2001; --from may be such a time, too.
  bool unix_time(Duration first) const {
    constexpr Duration kUnix = seconds(1'000'000'000);
    return first >= kUnix && options.from < kUnix;
  }
  Duration last{-1};
  bool ended = false;
  bool handed_out = false;  // a request

  // scale > 1: copies of `current` still to hand out, and the row that bounds them.
  Row current;
  std::vector<Duration> offsets;
  std::size_t next_copy = 0;
  std::optional<Row> ahead;
  bool primed = false;

  // kRate.
  std::vector<Segment> segments;
  double end_seconds = 0;
  double at_seconds = 0;
  std::size_t segment = 0;
  std::vector<std::pair<Tokens, Tokens>> drawn_from;

  void skip(std::int64_t line, std::string why) {
    ++notes.skipped;
    if (notes.first.size() < TraceNotes::kMaxFirst) notes.first.push_back({line, std::move(why)});
  }
  bool next_line(LineReader::Line& line);
  bool next_row(Row& row);
  bool next_copied(Row& row);
  bool next_arrival(Row& row);
  void draw_lengths(TraceRequest& request);
  Result<void> load_rates();
  Result<void> load_lengths();
};

/// The next line that is not empty; over-long ones are skipped.
bool TraceReader::State::next_line(LineReader::Line& line) {
  while (lines.next(line)) {
    if (line.oversize) {
      ++notes.rows;
      skip(line.number, "longer than " + std::to_string(kMaxTraceLineBytes) + " bytes");
    } else if (line.text.find_first_not_of(" \t") != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

/// The next good row from `from` on.
bool TraceReader::State::next_row(Row& row) {
  LineReader::Line line;
  while (!ended && next_line(line)) {
    ++notes.rows;
    std::string why = rows.parse(line.text, options.prefix_block_tokens, row.time, row.request);
    if (why.empty()) {
      if (!origin) origin = rows.calendar() || unix_time(row.time) ? row.time : Duration(0);
      row.time -= *origin;
    }
    if (why.empty() && row.time < last) why = "its time is before the row above";
    if (why.empty() && row.time < Duration(0)) why = "its time is before the first row";
    if (!why.empty()) {
      skip(line.number, std::move(why));
      continue;
    }
    last = row.time;
    if (row.time < options.from) continue;
    if (row.time >= options.until) break;
    if (options.scale < 1 && thinning.uniform() >= options.scale) continue;
    return true;
  }
  ended = true;
  return false;
}

/// scale > 1: each row several times.
bool TraceReader::State::next_copied(Row& row) {
  if (next_copy == offsets.size()) {
    if (!primed) {
      primed = true;
      ahead.emplace();
      if (!next_row(*ahead)) ahead.reset();
    }
    if (!ahead) return false;
    std::swap(current, *ahead);
    // The last row has no successor to spread its copies to: they arrive with it.
    Duration bound = next_row(*ahead) ? ahead->time : current.time;
    if (ended) ahead.reset();
    double whole = std::floor(options.scale);
    auto copies = static_cast<std::size_t>(whole);
    if (copying.uniform() < options.scale - whole) ++copies;
    offsets.assign(1, Duration(0));
    double gap = to_seconds(bound - current.time);
    while (offsets.size() < copies) offsets.push_back(seconds_f(copying.uniform() * gap));
    std::sort(offsets.begin(), offsets.end());
    next_copy = 0;
  }
  row.time = current.time + offsets[next_copy];
  row.request = current.request;
  if (next_copy > 0) {
    for (auto& hash : row.request.prefix)
      hash = XXH3_64bits_withSeed(&hash, sizeof hash, next_copy);
  }
  ++next_copy;
  return true;
}

/// kRate: a Poisson process, by walking the integral of the rate in exponential steps.
bool TraceReader::State::next_arrival(Row& row) {
  double need = arrivals.exponential(1.0);
  while (segment < segments.size()) {
    double end = segment + 1 < segments.size() ? segments[segment + 1].start_seconds : end_seconds;
    end = std::min(end, to_seconds(options.until));
    at_seconds = std::max({at_seconds, segments[segment].start_seconds, to_seconds(options.from)});
    double rate = segments[segment].rate * options.scale;
    double room = std::max(0.0, end - at_seconds) * rate;
    if (need < room) {
      at_seconds += need / rate;
      row.time = seconds_f(at_seconds);
      row.request = {};
      draw_lengths(row.request);
      return true;
    }
    need -= room;
    ++segment;
  }
  at_seconds = end_seconds;
  return false;
}

void TraceReader::State::draw_lengths(TraceRequest& request) {
  if (!drawn_from.empty()) {
    auto [prompt, output] = drawn_from[lengths.below(drawn_from.size())];
    request.prompt = prompt;
    request.output = output;
    return;
  }
  auto draw = [this](double p50, double p90) {
    double tokens = std::floor(lengths.lognormal_p50_p90(p50, p90) + 0.5);
    return Tokens(
        static_cast<std::int64_t>(std::clamp(tokens, 1.0, static_cast<double>(kMaxTraceTokens))));
  };
  request.prompt = draw(kPromptP50Tokens, kPromptP90Tokens);
  request.output = draw(kOutputP50Tokens, kOutputP90Tokens);
}

Result<void> TraceReader::State::load_rates() {
  LineReader::Line line;
  while (next_line(line)) {
    ++notes.rows;
    Duration time{0};
    Segment row;
    std::string why = rows.parse_rate(line.text, time, row.rate);
    row.start_seconds = to_seconds(time);
    if (why.empty() && !segments.empty() && row.start_seconds <= segments.back().start_seconds) {
      why = "its time is not after the row above";
    }
    if (!why.empty()) {
      skip(line.number, std::move(why));
      continue;
    }
    if (segments.size() == kMaxRateRows) {
      return fail("more than " + std::to_string(kMaxRateRows) + " rates");
    }
    segments.push_back(row);
  }
  if (!segments.empty() && unix_time(seconds_f(segments.front().start_seconds))) {
    const double first = segments.front().start_seconds;
    for (Segment& segment : segments) segment.start_seconds -= first;
  }
  if (segments.size() >= 2) {
    double step = segments.back().start_seconds - segments[segments.size() - 2].start_seconds;
    end_seconds = segments.back().start_seconds + step;
  } else if (segments.empty() || options.until == Duration::max()) {
    const std::string skipped = notes.text();
    return fail("a rate series needs two rows, or one and --until" +
                (skipped.empty() ? skipped : ": " + skipped));
  } else {
    end_seconds = to_seconds(options.until);
  }
  end_seconds = std::min(end_seconds, to_seconds(options.until));
  return {};
}

Result<void> TraceReader::State::load_lengths() {
  if (options.lengths.empty()) return {};
  auto other = TraceReader::open(options.lengths, {});
  if (!other) return fail(other.error().within("--lengths"));
  if ((*other)->kind() == TraceKind::kRate) {
    return fail("--lengths: " + options.lengths + " is a rate series, it has no lengths");
  }
  for (TraceRequest r; drawn_from.size() < kMaxLengthRows && (*other)->next(r);) {
    drawn_from.emplace_back(r.prompt, r.output);
  }
  if (drawn_from.empty()) return fail("--lengths: " + options.lengths + " has no good row");
  return {};
}

TraceReader::TraceReader() = default;
TraceReader::~TraceReader() = default;

Result<std::unique_ptr<TraceReader>> TraceReader::open(const std::string& path,
                                                       const TraceOptions& options) {
  // Each policy reads it anew, and a device need not end.
  std::error_code unknown;
  const auto status = std::filesystem::status(path, unknown);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status) &&
      !std::filesystem::is_directory(status)) {
    return fail("cannot read trace " + path +
                ": it is no file that can be read twice; write it to one first");
  }
  errno = 0;
  auto in = std::make_unique<std::ifstream>(path, std::ios::binary | std::ios::ate);
  std::int64_t size = *in ? static_cast<std::int64_t>(in->tellg()) : -1;
  if (*in) in->seekg(0).peek();  // a directory opens, but does not read
  if (size < 0 || in->bad() || size == std::numeric_limits<std::int64_t>::max()) {
    return fail("cannot read trace " + path + ": " + std::strerror(errno != 0 ? errno : EISDIR));
  }
  in->clear();
  return read(std::move(in), path, size, options);
}

Result<std::unique_ptr<TraceReader>> TraceReader::read(std::unique_ptr<std::istream> in,
                                                       const std::string& name,
                                                       std::int64_t size_bytes,
                                                       const TraceOptions& options) {
  if (!(options.scale > 0) || options.scale > kMaxTraceScale) {
    return fail(fmt::format("scale must be over 0 and at most 10000, got {:g}", options.scale));
  }
  if (!(options.speedup > 0) || !std::isfinite(options.speedup)) {
    return fail(fmt::format("speedup must be over 0, got {:g}", options.speedup));
  }
  if (options.from < Duration(0) || options.until <= options.from) {
    return fail("the part of the trace asked for is empty: --until must be after --from");
  }
  std::unique_ptr<TraceReader> reader(new TraceReader());
  reader->state_ = std::make_unique<State>(std::move(in), options);
  State& s = *reader->state_;
  s.size_bytes = size_bytes;
  std::string context = "trace " + name;
  LineReader::Line first;
  if (!s.next_line(first)) {
    const std::string skipped = s.notes.text();
    return fail(context + ": " + (skipped.empty() ? "it is empty" : skipped));
  }
  auto rows = RowFormat::recognise(first.text);
  if (!rows) {
    return fail(context + ": " + rows.error().message + "; known are:\n" +
                std::string(trace_formats()));
  }
  s.rows = *rows;
  if (s.rows.kind() == TraceKind::kRate) {
    if (auto loaded = s.load_rates(); !loaded) return fail(loaded.error().within(context));
    if (auto loaded = s.load_lengths(); !loaded) return fail(loaded.error().within(context));
  } else if (!options.lengths.empty()) {
    return fail(context + ": --lengths is for a rate series; these requests have lengths");
  } else if (!s.rows.has_header()) {
    // The line that showed the format is a row, too.
    s.lines.again();
  }
  return reader;
}

bool TraceReader::next(TraceRequest& out) {
  State& s = *state_;
  Row row;
  row.request = std::move(out);  // keeps its buffers
  bool found = s.rows.kind() == TraceKind::kRate ? s.next_arrival(row)
               : s.options.scale > 1             ? s.next_copied(row)
                                                 : s.next_row(row);
  out = std::move(row.request);
  if (!found) return false;
  s.handed_out = true;
  Duration since = row.time - s.options.from;
  out.at = s.options.speedup == 1 ? since : seconds_f(to_seconds(since) / s.options.speedup);
  return true;
}

const TraceNotes& TraceReader::notes() const { return state_->notes; }

std::string TraceReader::skipped() const {
  const State& s = *state_;
  if (s.notes.skipped > 0 || s.handed_out || s.rows.kind() == TraceKind::kRate) {
    return s.notes.text();
  }
  if (s.notes.rows == 0) return "no row stands below its header";
  return fmt::format("its {} rows end {:g} s after its start", s.notes.rows, to_seconds(s.last));
}

TraceKind TraceReader::kind() const { return state_->rows.kind(); }

double TraceReader::progress() const {
  const State& s = *state_;
  if (s.rows.kind() == TraceKind::kRate) {
    double begin = std::max(s.segments.front().start_seconds, to_seconds(s.options.from));
    return s.end_seconds <= begin
               ? 1
               : std::clamp((s.at_seconds - begin) / (s.end_seconds - begin), 0.0, 1.0);
  }
  if (s.ended) return 1;
  return s.size_bytes <= 0 ? 0
                           : std::min(1.0, static_cast<double>(s.lines.bytes_consumed()) /
                                               static_cast<double>(s.size_bytes));
}

}  // namespace tidegate::format
