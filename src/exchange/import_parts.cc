#include "exchange/import_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/base/ascii.h"
#include "exchange/names.h"

namespace tidegate::exchange {
namespace {

using format::Node;
using format::NodeKind;
using format::Position;

constexpr std::int64_t kKubernetesDownWindowSeconds = 300;
constexpr std::int64_t kMaxPeriodSeconds = 1'800;
constexpr std::int64_t kMaxWindowSeconds = 3'600;

double suffix_factor(std::string_view suffix) {
  struct Row {
    std::string_view suffix;
    double factor;
  };
  constexpr Row kRows[] = {{"", 1},       {"n", 1e-9},      {"u", 1e-6},        {"m", 1e-3},
                           {"k", 1e3},    {"M", 1e6},       {"G", 1e9},         {"T", 1e12},
                           {"Ki", 1024.}, {"Mi", 1048576.}, {"Gi", 1073741824.}};
  for (const Row& row : kRows) {
    if (row.suffix == suffix) return row.factor;
  }
  return 0;
}

void read_policies(const Node* list, const std::string& path, spec::ScalingRules& rules,
                   Notes& notes) {
  if (list == nullptr) return;
  for (const Node& item : list->items) {
    Fields fields(&item, path, notes);
    spec::ScalePolicy policy;
    policy.type = fields.text("type").value_or("") == "Pods" ? spec::ScalePolicyType::kPods
                                                             : spec::ScalePolicyType::kPercent;
    policy.value = std::clamp<std::int64_t>(fields.integer("value").value_or(100), 1, 10'000);
    policy.period = seconds(std::clamp<std::int64_t>(fields.integer("periodSeconds").value_or(15),
                                                     1, kMaxPeriodSeconds));
    fields.rest();
    rules.policies.push_back(policy);
  }
}

void read_rules(Fields from, spec::ScalingRules& rules) {
  if (auto window = from.integer("stabilizationWindowSeconds")) {
    rules.stabilization_window = seconds(std::clamp<std::int64_t>(*window, 0, kMaxWindowSeconds));
  }
  auto select = from.text("selectPolicy").value_or("Max");
  rules.select_policy = select == "Min"        ? spec::SelectPolicy::kMin
                        : select == "Disabled" ? spec::SelectPolicy::kDisabled
                                               : spec::SelectPolicy::kMax;
  if (rules.select_policy == spec::SelectPolicy::kDisabled) {
    from.notes().add(from.at(), from.path() +
                                    ".selectPolicy: Disabled is kept: replicas never go "
                                    "that way");
  }
  if (auto tolerance = from.number("tolerance")) rules.tolerance = std::clamp(*tolerance, 0., 1.);
  read_policies(from.take("policies"), from.path() + ".policies", rules, from.notes());
  from.rest();
}

}  // namespace

void Notes::add(Position at, std::string message) {
  auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::replace_if(message.begin(), message.end(), control, '?');  // texts of theirs may hold any
  all_.push_back({format::Severity::kWarning, file_, at.line, at.column, std::move(message)});
}

Fields::Fields(const Node* node, std::string path, Notes& notes)
    : node_(node != nullptr && node->kind == NodeKind::kMap ? node : nullptr),
      path_(std::move(path)),
      notes_(notes) {}

const Node* Fields::take(std::string_view key) {
  taken_.emplace(key);
  return node_ == nullptr ? nullptr : node_->find(key);
}

std::optional<std::string> Fields::text(std::string_view key) {
  const Node* found = take(key);
  if (found == nullptr || found->kind != NodeKind::kScalar) return std::nullopt;
  return found->text;
}

std::optional<std::int64_t> Fields::integer(std::string_view key) {
  auto value = number(key);
  if (!value) return std::nullopt;
  return static_cast<std::int64_t>(std::llround(std::clamp(*value, -1e15, 1e15)));
}

std::optional<double> Fields::number(std::string_view key) {
  const Node* found = take(key);
  if (found == nullptr || found->kind != NodeKind::kScalar) return std::nullopt;
  auto value = quantity(found->text);
  if (!value) {
    notes_.add(found->at,
               fmt::format("{}.{}: \"{}\" is no number; left out", path_, key, found->text));
  }
  return value;
}

Fields Fields::map(std::string_view key) {
  return Fields(take(key), path_ + "." + std::string(key), notes_);
}

void Fields::ignore(std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys) taken_.emplace(key);
}

void Fields::rest() {
  if (node_ == nullptr) return;
  for (const auto& [key, at] : node_->keys) {
    if (taken_.contains(key)) continue;
    notes_.add(at, fmt::format("{}.{} has no counterpart and is left out", path_, key));
  }
}

std::optional<double> quantity(std::string_view text) {
  double value = 0;
  auto [rest, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || !std::isfinite(value)) return std::nullopt;
  double factor = suffix_factor(text.substr(static_cast<std::size_t>(rest - text.data())));
  if (factor == 0) return std::nullopt;
  // A thousandth is divided by a thousand: 800m is 0.8 to the last bit.
  return factor < 1 ? value / std::round(1 / factor) : value * factor;
}

std::string spec_name(std::string_view name, Position at, Notes& notes) {
  std::string out;
  for (char c : name.substr(name.rfind('/') == std::string_view::npos ? 0 : name.rfind('/') + 1)) {
    const bool fits = ascii::is_alphanumeric(c);
    if (fits || (!out.empty() && out.back() != '-')) out += fits ? ascii::lower(c) : '-';
  }
  out.resize(std::min(out.size(), kMaxLabel));
  while (out.ends_with('-')) out.pop_back();
  if (out.empty()) out = "imported";
  if (out != name) notes.add(at, fmt::format("the name \"{}\" becomes {}", name, out));
  return out;
}

spec::Model imported(Fields& metadata, spec::PolicyKind policy, Notes& notes) {
  spec::Model model;
  model.name = spec_name(metadata.text("name").value_or(""), metadata.at(), notes);
  model.served_names = {model.name};
  model.scaling.policy = policy;
  model.scaling.mode = spec::Mode::kObserve;
  model.variants.resize(1);
  model.variants.front().name = "imported";
  return model;
}

void read_behavior(Fields behavior, spec::Scaling& scaling) {
  read_rules(behavior.map("scaleUp"), scaling.scale_up);
  read_rules(behavior.map("scaleDown"), scaling.scale_down);
  behavior.rest();
  if (!scaling.scale_down.stabilization_window) {
    scaling.scale_down.stabilization_window = seconds(kKubernetesDownWindowSeconds);
    behavior.notes().add(
        behavior.at(),
        "behavior.scaleDown.stabilizationWindowSeconds is not given, so Kubernetes' 300 s hold: "
        "shorter than many cold starts, after which the same replicas are ordered again");
  }
  scaling.scale_down_delay = seconds(0);  // the window above is the only one Kubernetes has
}

spec::KubernetesTarget read_target(Fields ref, const std::string& ns) {
  spec::KubernetesTarget out;
  out.api_version = ref.text("apiVersion").value_or("apps/v1");
  out.kind = ref.text("kind").value_or("Deployment");
  out.name = ref.text("name").value_or("");
  out.ns = ns;
  ref.ignore({"envSourceContainerName"});
  ref.rest();
  return out;
}

}  // namespace tidegate::exchange
