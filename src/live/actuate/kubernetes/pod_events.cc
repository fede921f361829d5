#include "live/actuate/kubernetes/pod_events.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "live/kube/json_parts.h"

namespace tidegate::live {
namespace {

using kube::part;
using kube::text;
using nlohmann::json;

constexpr std::size_t kMostWords = 300;

/// 'Successfully pulled image "i" in 1.2s (2.5s including waiting). Image size: ...', before
/// Kubernetes 1.27 without the parenthesis; newer ones begin with the container's path.
std::optional<Duration> pull_in(std::string_view note) {
  if (note.find("already present on machine") != note.npos) return Duration(0);
  constexpr std::string_view kPulled = "Successfully pulled image ", kIn = "\" in ";
  auto at = note.find(kPulled);
  if (at == note.npos || (at = note.find(kIn, at)) == note.npos) return std::nullopt;
  note.remove_prefix(at + kIn.size());
  const auto waited = note.find(" including waiting)"), open = note.find('(');
  if (waited != note.npos && open < waited) {
    return read_go_duration(note.substr(open + 1, waited - open - 1));
  }
  return read_go_duration(note.substr(0, note.find(' ')));
}

/// Who makes nodes for pods, by its reasons; empty: nobody who does.
std::string autoscaler_of(const json& event) {
  const std::string reason = text(event, "reason");
  std::string who = text(event, "reportingController");
  if (who.empty()) who = text(event, "deprecatedSource", "component");
  if (reason == "TriggeredScaleUp" || reason == "NotTriggerScaleUp") return who;
  const bool karpenter = who.starts_with("karpenter");
  return karpenter && (reason == "Nominated" || reason == "FailedScheduling") ? who : "";
}

/// RFC 3339 in UTC: later ones are greater as texts to the second, which is as fine as needed here.
std::string time_of(const json& event) {
  for (const json* at : {&part(event, "series", "lastObservedTime"),
                         &part(event, "deprecatedLastTimestamp"), &part(event, "eventTime")}) {
    if (at->is_string()) return at->get<std::string>().substr(0, 19);
  }
  return text(event, "metadata", "creationTimestamp").substr(0, 19);
}

}  // namespace

std::optional<Duration> read_go_duration(std::string_view text) {
  constexpr struct {
    std::string_view name;
    double seconds;
  } kUnits[] = {{"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"ms", 1e-3},
                {"s", 1},     {"m", 60},    {"h", 3600}};
  double sum = 0;
  bool any = false;
  while (!text.empty()) {
    double number = 0;
    const auto [end, bad] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (bad != std::errc{} || number < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto length = std::min(text.find_first_of("0123456789."), text.size());
    double unit = 0;
    for (const auto& one : kUnits) unit = one.name == text.substr(0, length) ? one.seconds : unit;
    if (unit == 0) return std::nullopt;
    text.remove_prefix(length);
    sum += number * unit;
    any = true;
  }
  if (!any) return std::nullopt;
  return seconds_f(sum);
}

PodEvents read_events(const json& list, std::size_t containers) {
  PodEvents out;
  Duration pulls{0};
  std::set<std::string> pulled;  // containers
  bool failed = false;
  std::string latest;
  for (const json& event : part(list, "items")) {
    const std::string reason = text(event, "reason"), note = text(event, "note");
    if (reason == "Pulled") {
      const auto took = pull_in(note);
      failed = failed || !took;
      pulls += took.value_or(Duration(0));
      pulled.insert(text(event, "regarding", "fieldPath"));
    } else if (reason == "Failed" || reason == "ErrImageNeverPull") {
      failed = true;
    } else if (const std::string who = autoscaler_of(event); !who.empty()) {
      out.node_ordered = out.node_ordered || reason == "TriggeredScaleUp" || reason == "Nominated";
      if (std::string at = time_of(event); at >= latest) {
        latest = std::move(at);
        out.autoscaler = who + ": " + note.substr(0, kMostWords);
      }
    }
  }
  if (!failed && containers > 0 && pulled.size() >= containers) out.pulls = pulls;
  return out;
}

}  // namespace tidegate::live
