#include "cli/operate.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "cli/in_words.h"
#include "core/control/controller.h"
#include "format/codec.h"
#include "format/spec_yaml.h"
#include "live/admin/admin.h"
#include "live/run/decisions.h"
#include "live/run/waterfall.h"

namespace tidegate::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Columns as wide as their widest cell, two blanks apart.
void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 < row.size() ? fmt::format("{:<{}}  ", row[i], widths[i]) : row[i];
    }
    fmt::print("{}\n", line);
  }
}

/// Nothing of what is not known: who has gateways elsewhere does not judge.
std::string percent(const Json& share) {
  return share.is_number() ? fmt::format("{:.1f} %", share.get<double>() * 100) : "";
}

std::string seconds_or_dash(const Json& seconds) {
  return seconds.is_number() ? fmt::format("{:.3f}s", seconds.get<double>()) : "-";
}

void print_reason(const Reason& reason) {
  std::string evidence;
  for (const auto& item : reason.evidence) {
    evidence += fmt::format("{}{}={:.6g}", evidence.empty() ? "  (" : ", ", item.name, item.value);
  }
  if (!evidence.empty()) evidence += ")";
  fmt::print("    {:<16} {:>4} -> {:<4} {}{}{}\n", token(reason.code), reason.before, reason.after,
             reason.variant.empty() ? "" : reason.variant + ": ", sentence(reason.code), evidence);
  for (const std::string& line : in_words(reason)) fmt::print("        {}\n", line);
}

void print_signal(const char* name, const signal::Signal& s) {
  if (s.absent()) {
    fmt::print("    {:<28} absent\n", name);
  } else {
    fmt::print("    {:<28} {:.6g}  ({}, {}, coverage {:.0f} %)\n", name, s.value,
               token(s.freshness), token(s.source), s.coverage * 100);
  }
}

void print_decision(const control::Decision& d, std::int64_t repeats, const std::string& verdict) {
  fmt::print("decision {} of {} at {}{}\n", d.sequence, d.observation.model,
             live::format_wall_time(d.wall),
             repeats > 0 ? fmt::format(" ({} like the one before it left out)", repeats) : "");
  fmt::print("  saw\n");
  const auto& demand = d.observation.demand;
  fmt::print(
      "    queue {} requests, {} tokens; dispatched {}; arrived {}, finished {}, rejected {}\n",
      demand.queued_requests, demand.queued_tokens, demand.dispatched_requests,
      demand.arrived_total, demand.finished_total, demand.rejected_total);
  print_signal("waiting_requests", signal::waiting_requests(d.observation));
  print_signal("in_flight_requests", signal::in_flight_requests(d.observation));
  print_signal("ttft_p99_seconds", d.observation.ttft_p99_seconds);
  for (std::size_t i = 0; i < d.observation.metrics.size(); ++i) {
    const signal::Signal& metric = d.observation.metrics[i];
    if (!metric.absent()) print_signal(fmt::format("scaling.metrics[{}]", i).c_str(), metric);
  }
  for (const auto& v : d.observation.variants) {
    fmt::print("    {}: {} ready, {} asleep, {} starting, {} ordered, {} draining, {} failed\n",
               v.variant, v.fleet.ready.value(), v.fleet.sleeping.value(), v.fleet.starting.value(),
               v.fleet.ordered.value(), v.fleet.draining.value(), v.fleet.failed.value());
    print_signal("  kv_usage", v.kv_usage);
  }
  fmt::print("  why\n");
  for (const auto& reason : d.reasons) print_reason(reason);
  fmt::print("  so\n");
  for (const auto& v : d.plan.variants) {
    fmt::print("    {} = {} {}\n", v.variant, v.replicas.value(),
               d.applied != 0 ? "applied" : "(recommended, not applied)");
  }
  if (const Reason* bound = binding_reason(d.reasons); bound != nullptr) {
    fmt::print("  bound by {}: {}\n", token(bound->code), sentence(bound->code));
  }
  fmt::print("  run again: {}\n", verdict);
}

/// Runs a record again under its own spec; says "the same answer", or how it differs.
std::pair<bool, std::string> run_again(const control::Decision& d, const std::string& yaml) {
  if (d.version != control::kDecisionVersion) {
    return {true, fmt::format("not compared: recorded by decision code version {}, this is {}",
                              d.version, control::kDecisionVersion)};
  }
  auto file = format::load_recorded_spec(yaml, "journal");
  for (auto& loaded : file.models) {
    const std::string& name = d.observation.model;  // NAMESPACE/NAME where there are several
    if (loaded.model.name != name && !name.ends_with("/" + loaded.model.name)) continue;
    loaded.model.name = name;
    auto [recommendation, plan] = control::rerun(loaded.model, d);
    if (recommendation == d.recommendation && plan == d.plan) return {true, "the same answer"};
    return {false, "ANOTHER ANSWER than the record's: please report this with the journal"};
  }
  return {false, "its spec does not load any more"};
}

/// From the run that answers, else from the journal it left.
Result<Json> decisions(const ExplainOptions& options, std::optional<WallTime> until) {
  std::string path =
      fmt::format("/api/v1/models/{}/decisions?limit={}", options.model, options.last);
  if (until) path += "&until=" + live::format_wall_time(*until);
  auto answer = admin_get(options.admin, path);
  const std::string file = options.admin.state_dir + "/journal.db";
  if (answer || !options.admin.admin.empty() || !std::filesystem::exists(file) ||
      std::filesystem::exists(options.admin.state_dir + "/run.json")) {
    return answer;
  }
  auto journal = live::Journal::open(file, {.read_only = true});
  if (!journal) return fail(journal.error());
  auto json =
      live::decisions_json(**journal, options.model, static_cast<std::size_t>(options.last), until);
  if (!json) return fail(json.error());
  return Json::parse(*json);
}

}  // namespace

namespace {

/// Whom a gateway follows.
void print_leader(Json& leader) {
  const std::string address = leader["address"].is_string() ? leader["address"] : Json("none yet");
  if (leader.value("connected", false)) {
    fmt::print("leader {}\n", address);
  } else {
    fmt::print("leader {}: lost for {:.0f} s: {}\n", address, leader.value("sinceSeconds", 0.0),
               leader["trouble"].is_string() ? leader["trouble"].get<std::string>() : "");
  }
}

/// Of a gateway apart: what it serves.
void print_gateway(Json& answer) {
  std::vector<std::vector<std::string>> rows = {
      {"MODEL", "REPLICAS", "QUEUE", "IN-FLIGHT", "SERVICE"}};
  for (auto& model : answer["results"]) {
    std::string services;  // by which engines are found without a leader
    for (const auto& one : model["services"]) {
      const bool none = !one["service"].is_string();
      services += (services.empty() ? "" : ", ") + (none ? "none" : one.value("service", ""));
    }
    rows.push_back({model.value("model", ""), std::to_string(model["replicas"].size()),
                    std::to_string(model["queue"]["requests"].get<long>()),
                    std::to_string(model["inFlight"].get<long>()), services});
  }
  print_table(rows);
  for (auto& model : answer["results"]) {
    for (const auto& one : model["services"]) {
      if (one["service"].is_string()) continue;
      fmt::print("{}/{}: no engines without a leader: {}\n", model.value("model", ""),
                 one.value("variant", ""), one.value("why", ""));
    }
  }
  print_leader(answer["leader"]);
}

/// Of a controller: those it hears.
void print_gateways(const Json& gateways) {
  for (const auto& gateway : gateways) {
    fmt::print(
        "gateway {}: {}\n", gateway.value("name", ""),
        gateway.value("connected", false)
            ? "connected"
            : fmt::format("lost, not heard for {:.0f} s", gateway.value("silentSeconds", 0.0)));
  }
  if (gateways.empty()) fmt::print("no gateway is connected: nothing is lowered\n");
}

/// Why replicas are missing, where the newest of those that went says it.
void print_last_failure(const Json& model) {
  long ready = 0, desired = 0;
  for (const auto& v : model["variants"]) {
    ready += v["ready"].get<long>();
    desired += v["desired"].get<long>();
  }
  if (ready >= desired || !model.contains("notes")) return;
  for (const auto& note : model["notes"]) {
    if (note.value("state", "") != "failed") continue;
    fmt::print("{}: replica {} failed {:.0f} s ago: {}\n", model.value("model", ""),
               note["id"].get<std::uint64_t>(), note["secondsAgo"].get<double>(),
               note.value("detail", ""));
    return;
  }
}

/// At the gateway, or in the queue of another front.
std::string queued(const Json& model) {
  if (!model.contains("front")) return std::to_string(model["queue"]["requests"].get<long>());
  const Json& waiting = model["front"]["waitingRequests"];
  return waiting.is_null() ? "-" : std::to_string(waiting.get<long>());
}

void print_front(const Json& model) {
  if (const double strays = model.value("strayRequests", 0.0); strays > 0) {
    fmt::print(
        "{}: its engines run {:.0f} requests that this gateway did not send, so nothing is "
        "lowered; where clients reach them another way, write front: {{by: proxy}}\n",
        model.value("model", ""), strays);
  }
  if (!model.contains("front") || model["front"]["trouble"].is_null()) return;
  fmt::print("{}: the queue in front is not known, so nothing is lowered: {}: {}\n",
             model.value("model", ""), model["front"].value("queueMetrics", ""),
             model["front"]["trouble"].get<std::string>());
}

/// Hardware that is not what its profile says: a number is made for it as it is, and people are
/// told.
void print_drift(const Json& model) {
  for (const Json& reason : model.value("reasons", Json::array())) {
    if (reason.value("code", "") != token(ReasonCode::kProfileDrift)) continue;
    const Json evidence = reason.value("evidence", Json::object());
    // In the order of the spec, as the variants of a status are.
    const auto number = static_cast<std::size_t>(evidence.value("variant_number", 1.0));
    if (number < 1 || number > model["variants"].size()) continue;
    fmt::print(
        "{}/{}: decode takes {:.2f} x what the profile says, prefill {:.2f} x; `tidegate "
        "calibrate` makes one that fits\n",
        model.value("model", ""), model["variants"][number - 1].value("variant", ""),
        evidence.value("learned_decode_ratio", 1.0), evidence.value("learned_prefill_ratio", 1.0));
  }
}

/// What the engines' pages do not say: policies that rest on it hold, or go without.
void print_lacking(const Json& model) {
  for (const auto& v : model["variants"]) {
    const std::string name = model.value("model", "") + "/" + v["variant"].get<std::string>();
    const Json lacking = v.value("lackingSignals", Json::array());
    if (v.contains("metricsHint") && v["metricsHint"].is_string()) {
      fmt::print("{}: no metrics are read from its engines: {}\n", name,
                 v["metricsHint"].get<std::string>());
    } else if (!lacking.empty()) {
      fmt::print("{}: not told by its engines: {}\n", name,
                 fmt::join(lacking.get<std::vector<std::string>>(), ", "));
    }
    for (const Json& doubted : v.value("doubtedSignals", Json::array())) {
      fmt::print("{}: not believed, and nothing is lowered on it: {}\n", name,
                 doubted.get<std::string>());
    }
  }
}

}  // namespace

int status(const StatusOptions& options) {
  auto answer = admin_get(options.admin, "/api/v1/status");
  if (!answer) return report(answer.error());
  if (parse_format(options.format) == Format::kJson) {
    if (options.cold_starts) {
      print_results(live::cold_starts_of(*answer));
    } else {
      fmt::print("{}\n", answer->dump(2));
    }
    return 0;
  }
  if (options.cold_starts) {
    fmt::print("{}", live::waterfall_text(*answer));
    return 0;
  }
  if (answer->value("role", "") == "gateway") return print_gateway(*answer), 0;
  std::vector<std::vector<std::string>> rows = {{"MODEL", "VARIANT", "READY/DESIRED", "STARTING",
                                                 "DRAINING", "QUEUE", "IN-FLIGHT", "TTFT p99",
                                                 "SLO MET", "COST", "MODE", "WHY"}};
  for (const auto& model : (*answer)["results"]) {
    bool first = true;
    for (const auto& v : model["variants"]) {
      const std::string name = v["variant"];
      std::string mode = model.value("mode", "");
      if (model.value("paused", false)) mode = "PAUSED";
      const long asleep = v["sleeping"].get<long>();
      rows.push_back({first ? model.value("model", "") : "", name,
                      fmt::format("{}/{}{}", v["ready"].get<long>(), v["desired"].get<long>(),
                                  asleep > 0 ? fmt::format(", {} asleep", asleep) : ""),
                      std::to_string(v["ordered"].get<long>() + v["starting"].get<long>()),
                      std::to_string(v["draining"].get<long>()), first ? queued(model) : "",
                      first ? std::to_string(model["inFlight"].get<long>()) : "",
                      first ? seconds_or_dash(model["recentTtftP99Seconds"]) : "",
                      first ? percent(model.value("sloAttainment", Json())) : "",
                      first ? fmt::format("${:.2f}", model["costDollars"].get<double>()) : "",
                      first ? mode : "", v.value("why", "-")});
      first = false;
    }
  }
  print_table(rows);
  if (answer->contains("gateways")) print_gateways((*answer)["gateways"]);
  if (answer->contains("leader")) print_leader((*answer)["leader"]);
  for (const auto& model : (*answer)["results"]) {
    print_last_failure(model);
    print_front(model);
    print_drift(model);
    print_lacking(model);
  }
  for (const auto& model : (*answer)["results"]) {
    if (!model.contains("prometheus")) continue;
    for (const auto& unknown : model["prometheus"]["unknown"]) {
      fmt::print("{}: {} is not known: {}\n", model.value("model", ""), unknown.value("what", ""),
                 unknown.value("why", ""));
    }
  }
  return 0;
}

int explain(const ExplainOptions& options) {
  std::optional<WallTime> until;
  if (!options.at.empty()) {
    auto at = live::parse_wall_time(options.at);
    if (!at) return report(at.error().within("--at"));
    until = *at;
  }
  auto answer = decisions(options, until);
  if (!answer) return report(answer.error());
  if (parse_format(options.format) == Format::kJson) {
    fmt::print("{}\n", answer->dump(2));
  }
  bool same = true;
  for (const auto& row : (*answer)["results"]) {
    auto decision = format::from_json<control::Decision>(row["decision"].dump());
    if (!decision) return report(decision.error().within("record"));
    auto [equal, verdict] = run_again(*decision, row.value("spec", ""));
    same = same && equal;
    if (parse_format(options.format) == Format::kTable) {
      print_decision(*decision, row.value("repeats", 0), verdict);
    }
  }
  if ((*answer)["results"].empty()) {
    return report(
        {"no decision of \"" + options.model + "\" is in the journal at or before that time"});
  }
  return same ? 0 : 1;
}

int scale(const ScaleOptions& options) {
  const auto slash = options.target.find('/');
  const std::string model = options.target.substr(0, slash);
  Json body = {{"replicas", options.replicas}};
  if (slash != std::string::npos) body["variant"] = options.target.substr(slash + 1);
  auto answer = admin_post(options.admin, "/api/v1/models/" + model + "/scale", body);
  if (!answer) return report(answer.error());
  fmt::print("{}: told to have {} replicas\n", options.target, options.replicas);
  return 0;
}

int pause(const PauseOptions& options) {
  auto answer =
      admin_post(options.admin, "/api/v1/models/" + options.model + "/pause", Json::object());
  if (!answer) return report(answer.error());
  fmt::print("{}: paused; nothing changes but by `tidegate scale`\n", options.model);
  return 0;
}

int resume(const ResumeOptions& options) {
  Json body = Json::object();
  if (!options.lasting.empty()) {
    if (auto length = format::parse_duration(options.lasting); !length) {
      return report(length.error().within("--for"));
    }
    body["for"] = options.lasting;
  }
  auto answer = admin_post(options.admin, "/api/v1/models/" + options.model + "/resume", body);
  if (!answer) return report(answer.error());
  fmt::print(
      "{}: resumed{}\n", options.model,
      options.lasting.empty() ? "" : " for " + options.lasting + ", then it only recommends");
  return 0;
}

}  // namespace tidegate::cli
