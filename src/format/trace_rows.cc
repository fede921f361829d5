#include "format/trace_rows.h"

#include <simdjson.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

#include "core/base/ascii.h"

namespace tidegate::format {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;
/// A century: what lies beyond is a broken number, and sums stay far from overflow.
constexpr double kMaxSeconds = 3.2e9;

/// Tokens behind one of its hashes: alibaba-edu/qwen-bailian-usagetraces-anon, README.md.
constexpr std::int64_t kBailianBlockTokens = 16;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

template <class T>
bool number(std::string_view text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// Its beginning, fit for a terminal: what is not plain ASCII as \xNN.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 40;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out + (text.size() > kShown ? "...\"" : "\"");
}

std::string seconds_of(double value, Duration& time) {
  if (!std::isfinite(value) || value < 0 || value > kMaxSeconds) {
    return "a time must be 0 to 3.2e9 s";
  }
  time = seconds_f(value);
  return {};
}

std::string seconds_text(std::string_view text, Duration& time) {
  double value = 0;
  if (!number(text, value)) return "time " + quoted(text) + " is not a number of seconds";
  return seconds_of(value, time);
}

/// "2023-11-16 18:15:46.6805900", also with T, Z or +hh:mm.
std::string calendar_text(std::string_view text, Duration& time) {
  std::string bad = "time " + quoted(text) + " is not YYYY-MM-DD HH:MM:SS";
  auto digits = [&](std::size_t at, std::size_t n, int& value) {
    return at + n <= text.size() && number(text.substr(at, n), value) && value >= 0;
  };
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  if (text.size() < 19 || !digits(0, 4, y) || !digits(5, 2, mo) || !digits(8, 2, d) ||
      !digits(11, 2, h) || !digits(14, 2, mi) || !digits(17, 2, s)) {
    return bad;
  }
  if (text[4] != '-' || text[7] != '-' || (text[10] != ' ' && text[10] != 'T') || text[13] != ':' ||
      text[16] != ':' || h > 23 || mi > 59 || s > 60) {
    return bad;
  }
  std::chrono::year_month_day date{std::chrono::year(y), std::chrono::month(unsigned(mo)),
                                   std::chrono::day(unsigned(d))};
  if (!date.ok() || y < 1970 || y > 2199) return bad;
  std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  time = seconds(((days * 24 + h) * 60 + mi) * 60 + s);
  std::string_view rest = text.substr(19);
  if (!rest.empty() && rest.front() == '.') {
    std::int64_t unit = 100'000'000;
    for (rest.remove_prefix(1); !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; unit /= 10) {
      time += nanos((rest[0] - '0') * unit);  // digits beyond nanoseconds add nothing
      rest.remove_prefix(1);
    }
  }
  if (rest.empty() || rest == "Z") return {};
  int oh = 0, om = 0;
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':' ||
      !number(rest.substr(1, 2), oh) || !number(rest.substr(4, 2), om)) {
    return bad;
  }
  Duration offset = seconds((oh * 60 + om) * 60);
  time += rest[0] == '+' ? -offset : offset;
  return {};
}

std::string tokens_of(std::int64_t value, std::string_view what, Tokens& out) {
  if (value < 1 || value > kMaxTraceTokens) {
    return std::string(what) + " tokens " + std::to_string(value) + ": must be 1 to " +
           std::to_string(kMaxTraceTokens);
  }
  out = Tokens(value);
  return {};
}

std::string tokens_text(std::string_view text, std::string_view what, Tokens& out) {
  std::int64_t value = 0;
  if (number(text, value)) return tokens_of(value, what, out);
  double real = 0;  // some writers print 374.0
  if (number(text, real) && std::abs(real) <= 1e15 && std::floor(real) == real) {
    return tokens_of(static_cast<std::int64_t>(real), what, out);
  }
  return std::string(what) + " tokens " + quoted(text) + " is not a number";
}

/// Each hash also depends on those before it: equal hashes mean equal prefixes.
void chained(std::string_view list, std::vector<std::uint64_t>& out) {
  std::uint64_t before = 0;
  while (!list.empty()) {
    auto slash = list.find('/');
    std::string_view block = list.substr(0, slash);
    before = XXH3_64bits_withSeed(block.data(), block.size(), before);
    out.push_back(before);
    list = slash == std::string_view::npos ? std::string_view() : list.substr(slash + 1);
  }
}

}  // namespace

struct RowFormat::Json {
  simdjson::ondemand::parser parser;
  std::string padded;  // the parser reads past the end
};

bool LineReader::fill() {
  buffer_.erase(0, at_);
  at_ = 0;
  std::size_t had = buffer_.size();
  buffer_.resize(had + kReadBytes);
  in_.read(buffer_.data() + had, kReadBytes);
  buffer_.resize(had + static_cast<std::size_t>(in_.gcount()));
  return buffer_.size() > had;
}

bool LineReader::next(Line& line) {
  if (std::exchange(again_, false)) {
    line = last_;
    return true;
  }
  line.oversize = false;
  std::size_t searched = at_;
  std::size_t end = buffer_.find('\n', searched);
  while (end == std::string::npos) {
    if (buffer_.size() - at_ > kMaxTraceLineBytes) {
      consumed_ += static_cast<std::int64_t>(buffer_.size() - at_);
      at_ = buffer_.size();  // dropped; the line goes on
      line.oversize = true;
    }
    searched = buffer_.size() - at_;
    if (!fill()) break;
    end = buffer_.find('\n', searched);
  }
  if (end == std::string::npos && at_ == buffer_.size() && !line.oversize) return false;
  std::size_t stop = end == std::string::npos ? buffer_.size() : end;
  std::string_view text(buffer_.data() + at_, stop - at_);
  std::size_t next_at = end == std::string::npos ? stop : end + 1;
  consumed_ += static_cast<std::int64_t>(next_at - at_);
  at_ = next_at;
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  line.oversize = line.oversize || text.size() > kMaxTraceLineBytes;
  line.text = line.oversize ? std::string_view() : text;
  line.number = ++number_;
  if (line.number == 1 && line.text.starts_with("\xef\xbb\xbf")) line.text.remove_prefix(3);
  last_ = line;
  return true;
}

namespace {

/// What a first line looks like that is none, and what to do about it; empty: nothing known.
std::string looks_like(std::string_view first) {
  if (first.starts_with("\x1f\x8b")) return "it is compressed; unpack it with gunzip first";
  if (first.starts_with("\x28\xb5\x2f\xfd")) return "it is compressed; unpack it with unzstd first";
  if (first.starts_with("PK\x03\x04")) return "it is a zip file or a spreadsheet; save it as CSV";
  if (first.starts_with("PAR1")) return "it is a Parquet file; write it as CSV";
  if (first.starts_with("\xff\xfe") || first.starts_with("\xfe\xff")) {
    return "it is UTF-16; save it as UTF-8";
  }
  if (first.find(',') == first.npos && first.find(';') != first.npos) {
    return "its columns are parted by ';'; part them by ','";
  }
  if (first.find(',') == first.npos && first.find('\t') != first.npos) {
    return "its columns are parted by tabs; part them by ','";
  }
  return {};
}

/// The comma after the first field, which may be quoted and hold some; npos: there is none.
std::size_t field_end(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos || line[begin] != '"') return line.find(',');
  bool quoted = false;
  for (std::size_t i = begin; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (line[i] == ',' && !quoted) return i;
  }
  return std::string_view::npos;
}

}  // namespace

Result<RowFormat> RowFormat::recognise(std::string_view first) {
  RowFormat format;
  if (!first.empty() && first.front() == '{') {
    format.has_header_ = false;
    format.json_ = std::make_shared<Json>();
    bool mooncake = first.find("\"input_length\"") != std::string_view::npos;
    bool engine = first.find("\"input_toks\"") != std::string_view::npos;
    if (!mooncake && !engine) return fail("the first line is JSON of an unknown kind");
    format.kind_ = !mooncake                                             ? TraceKind::kEngineRun
                   : first.find("\"chat_id\"") != std::string_view::npos ? TraceKind::kBailian
                                                                         : TraceKind::kMooncake;
    return format;
  }
  format.split(first);
  struct Shape {
    TraceKind kind;
    const char* columns[kColumns];  // the first three are required, but kRate has two
  };
  constexpr Shape kShapes[] = {
      {TraceKind::kAzure, {"TIMESTAMP", "ContextTokens", "GeneratedTokens"}},
      {TraceKind::kBurstGpt, {"Timestamp", "Request tokens", "Response tokens"}},
      {TraceKind::kTidegate,
       {"time", "prompt_tokens", "output_tokens", "model", "tenant", "priority", "adapter",
        "prefix"}},
      {TraceKind::kRate, {"time", "rate"}},
  };
  std::string lacks;  // of the nearest shape
  int nearest = 0;
  for (const Shape& shape : kShapes) {
    int required = shape.kind == TraceKind::kRate ? 2 : 3;
    int found = 0;
    std::string missing;
    for (int c = 0; c < kColumns; ++c) {
      format.columns_[c] = -1;
      for (std::size_t i = 0; i < format.fields_.size() && shape.columns[c]; ++i) {
        if (ascii::equal_ignoring_case(format.fields_[i], shape.columns[c]))
          format.columns_[c] = static_cast<int>(i);
      }
      if (c >= required) continue;
      if (format.columns_[c] >= 0) {
        ++found;
      } else {
        missing += (missing.empty() ? "" : " and ") + quoted(shape.columns[c]);
      }
    }
    if (found > nearest) {
      nearest = found;
      lacks = ": it lacks " + missing;
    }
    if (found < required) continue;
    format.kind_ = shape.kind;
    format.fields_.clear();
    return format;
  }
  if (std::string like = looks_like(first); !like.empty()) lacks = ": " + like;
  return fail("the header " + quoted(first) + " is not one of a trace" + lacks);
}

void RowFormat::split(std::string_view line) {
  fields_.clear();
  for (;;) {
    const auto comma = field_end(line);
    fields_.push_back(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    line.remove_prefix(comma + 1);
  }
}

std::string_view RowFormat::field(Column column) const {
  auto index = static_cast<std::size_t>(columns_[column]);
  return columns_[column] < 0 || index >= fields_.size() ? std::string_view() : fields_[index];
}

std::string RowFormat::parse(std::string_view line, std::int64_t prefix_block_tokens,
                             Duration& time, workload::TraceRequest& out) {
  out.model.clear();
  out.tenant.clear();
  out.adapter.clear();
  out.priority = 0;
  out.prefix.clear();
  out.prefix_block_tokens = 0;
  if (!has_header_) return parse_json(line, prefix_block_tokens, time, out);
  if (!line.empty() && line.front() == '{') return "JSON in a CSV trace";
  split(line);
  std::string why = kind_ == TraceKind::kAzure ? calendar_text(field(kTime), time)
                                               : seconds_text(field(kTime), time);
  if (why.empty()) why = tokens_text(field(kPrompt), "prompt", out.prompt);
  if (why.empty()) why = tokens_text(field(kOutput), "output", out.output);
  if (!why.empty() || kind_ != TraceKind::kTidegate) return why;
  out.model = field(kModel);
  out.tenant = field(kTenant);
  out.adapter = field(kAdapter);
  if (auto text = field(kPriority); !text.empty() && !number(text, out.priority)) {
    return "priority " + quoted(text) + " is not an integer";
  }
  chained(field(kPrefix), out.prefix);
  if (!out.prefix.empty()) out.prefix_block_tokens = prefix_block_tokens;
  return {};
}

std::string RowFormat::parse_rate(std::string_view line, Duration& time, double& rate) {
  split(line);
  if (auto why = seconds_text(field(kTime), time); !why.empty()) return why;
  std::string_view text = field(kPrompt);
  if (!number(text, rate) || !std::isfinite(rate) || rate < 0 || rate > 1e7) {
    return "rate " + quoted(text) + " is not a number of requests per second from 0 to 1e7";
  }
  return {};
}

std::string RowFormat::parse_json(std::string_view line, std::int64_t prefix_block_tokens,
                                  Duration& time, workload::TraceRequest& out) {
  auto& [parser, padded] = *json_;
  padded.assign(line);
  padded.reserve(line.size() + simdjson::SIMDJSON_PADDING);
  simdjson::ondemand::document doc;
  simdjson::ondemand::object object;
  if (parser.iterate(padded.data(), line.size(), padded.capacity()).get(doc) ||
      doc.get_object().get(object)) {
    return "not a JSON object";
  }
  const bool bailian = kind_ == TraceKind::kBailian;
  const bool mooncake = bailian || kind_ == TraceKind::kMooncake;
  double at = 0;
  std::int64_t prompt = 0;
  std::int64_t output = 0;
  if (object[mooncake ? "timestamp" : "arrival_time"].get_double().get(at)) {
    return mooncake ? "no number \"timestamp\"" : "no number \"arrival_time\"";
  }
  const double unit_seconds = kind_ == TraceKind::kMooncake ? 1e-3 : 1;
  if (auto why = seconds_of(at * unit_seconds, time); !why.empty()) return why;
  if (object[mooncake ? "input_length" : "input_toks"].get_int64().get(prompt)) {
    return mooncake ? "no integer \"input_length\"" : "no integer \"input_toks\"";
  }
  if (object[mooncake ? "output_length" : "output_toks"].get_int64().get(output)) {
    return mooncake ? "no integer \"output_length\"" : "no integer \"output_toks\"";
  }
  std::string why = tokens_of(prompt, "prompt", out.prompt);
  if (why.empty()) why = tokens_of(output, "output", out.output);
  if (!why.empty() || !mooncake) return why;
  simdjson::ondemand::array ids;
  if (object["hash_ids"].get_array().get(ids)) return {};
  for (auto item : ids) {
    std::uint64_t id = 0;
    if (item.get_uint64().get(id)) return "a hash id that is not a whole number";
    // Blocks are numbered with their prefixes: equal ids are equal prefixes already.
    out.prefix.push_back(XXH3_64bits(&id, sizeof id));
  }
  if (!out.prefix.empty()) {
    out.prefix_block_tokens = bailian ? kBailianBlockTokens : prefix_block_tokens;
  }
  return {};
}

}  // namespace tidegate::format
