#include "sim/report/csv.h"

#include <algorithm>
#include <charconv>

#include "sim/report/decision_text.h"

namespace tidegate::sim {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;

void append(std::string& out, std::int64_t value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

/// Seconds from nanoseconds, exact, without trailing zeros.
void append_seconds(std::string& out, Duration value) {
  std::int64_t ns = value.count();
  if (ns < 0) {
    out += '-';
    ns = -ns;
  }
  append(out, ns / kNanos);
  std::int64_t rest = ns % kNanos;
  if (rest == 0) return;
  char digits[] = ".000000000";
  for (int i = 9; i > 0; --i, rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
  std::string_view shown(digits, 10);
  out += shown.substr(0, shown.find_last_not_of('0') + 1);
}

void append_between(std::string& out, Instant from, Instant to) {
  out += ',';
  if (!from.is_never() && !to.is_never()) append_seconds(out, to - from);
}

void append_count(std::string& out, std::int64_t value) {
  out += ',';
  append(out, value);
}

}  // namespace

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string_view RequestCsv::header() {
  return "policy,model,request,arrived_seconds,dispatched_seconds,first_token_seconds,"
         "ended_seconds,ending,met,wait_seconds,ttft_seconds,itl_seconds,e2e_seconds,"
         "prompt_tokens,cached_tokens,output_tokens,priority,replica\r\n";
}

RequestCsv::RequestCsv(OutFile& file, std::string_view policy, std::string_view model)
    : file_(file), names_(csv_field(policy) + ',' + csv_field(model)) {}

void RequestCsv::request(const RequestRecord& r) {
  const Instant start;
  row_ = names_;
  append_count(row_, r.number);
  append_between(row_, start, r.arrived);
  append_between(row_, start, r.dispatched);
  append_between(row_, start, r.first);
  append_between(row_, start, r.ended);
  row_ += ',';
  row_ += token(r.ending);
  row_ += r.met ? ",1" : ",0";
  append_between(row_, r.arrived, r.dispatched);
  append_between(row_, r.arrived, r.first);
  row_ += ',';
  bool completed = r.ending == workload::Ending::kCompleted;
  if (completed && !r.first.is_never() && r.output_tokens > 1) {
    append_seconds(row_, Duration((r.ended - r.first).count() / (r.output_tokens - 1)));
  }
  append_between(row_, r.arrived, completed ? r.ended : Instant::never());
  append_count(row_, r.prompt_tokens);
  append_count(row_, r.cached_tokens);
  append_count(row_, r.output_tokens);
  append_count(row_, r.priority);
  row_ += ',';
  if (r.replica) append(row_, static_cast<std::int64_t>(r.replica.value()));
  row_ += "\r\n";
  file_.write(row_);
}

std::string_view DecisionCsv::header() {
  return "policy,model,at_seconds,sequence,repeats,variant,recommended_replicas,planned_replicas,"
         "applied,binding_reason,reasons\r\n";
}

DecisionCsv::DecisionCsv(OutFile& file, std::string_view policy, std::string_view model)
    : file_(file), names_(csv_field(policy) + ',' + csv_field(model)) {}

void DecisionCsv::decision(const control::Decision& d, std::int64_t repeats) {
  for (const plan::VariantPlan& planned : d.plan.variants) {
    row_ = names_;
    append_between(row_, Instant(), d.at);
    append_count(row_, static_cast<std::int64_t>(d.sequence));
    append_count(row_, repeats);
    row_ += ',' + csv_field(planned.variant) + ',';
    auto recommended =
        std::find_if(d.recommendation.replicas.begin(), d.recommendation.replicas.end(),
                     [&](const auto& asked) { return asked.variant == planned.variant; });
    if (recommended != d.recommendation.replicas.end()) append(row_, recommended->replicas.value());
    append_count(row_, planned.replicas.value());
    row_ += d.applied != 0 ? ",1," : ",0,";
    const Reason* binding = binding_reason(d.reasons, planned.variant);
    if (binding != nullptr) row_ += token(binding->code);
    row_ += ',' + csv_field(reasons_text(d.reasons, planned.variant)) + "\r\n";
    file_.write(row_);
  }
}

}  // namespace tidegate::sim
