#include "format/tape.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "format/codec.h"
#include "format/spec_yaml.h"

namespace tidegate::format {
namespace {

using Json = nlohmann::ordered_json;

std::string quoted(const std::string& text) { return Json(text).dump(); }

template <class Action>
std::string list(const std::vector<Action>& actions) {
  std::string out = "[";
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (i > 0) out += ',';
    out += to_json(actions[i]);
  }
  return out + "]";
}

/// One model as the tape has it so far.
struct Played {
  std::optional<control::Controller> controller;
  std::optional<route::Router> router;
};

Result<spec::Model> parse_model(const std::string& yaml, const std::string& name) {
  SpecFile file = load_recorded_spec(yaml, "tape");
  for (auto& loaded : file.models) {
    // Of a cluster's several namespaces a run says NAMESPACE/NAME, the document its name alone.
    if (loaded.model.name != name && !name.ends_with("/" + loaded.model.name)) continue;
    loaded.model.name = name;
    return std::move(loaded.model);
  }
  return fail("the tape's spec of model \"" + name + "\" does not load" +
              (file.diagnostics.empty() ? "" : ": " + file.diagnostics.front().text()));
}

class Replayer {
 public:
  Result<void> line(const Json& in, const std::string& text, TapeReport& report) {
    const auto name = in.at("m").get<std::string>();
    const auto who = in.at("w").get<std::string>();
    Played& model = models_[name];
    if (who == "model" || who == "respec") return begin(model, name, who, in);
    if (!model.controller) return fail("event of model \"" + name + "\" before its spec");
    const auto now = Instant::from_nanos(in.at("t").get<std::int64_t>());
    std::string replayed, recorded = in.at("a").dump();
    if (who == "route") {
      auto event = from_json<route::Event>(in.at("e").dump());
      if (!event) return fail(event.error());
      std::vector<route::Action> actions;
      model.router->handle(*event, now, actions);
      report.actions += actions.size();
      replayed = list(actions);
    } else {
      auto event = from_json<control::Event>(in.at("e").dump());
      if (!event) return fail(event.error());
      std::vector<control::Action> actions;
      model.controller->handle(*event, now, actions);
      report.actions += actions.size();
      replayed = list(actions);
    }
    ++report.events;
    if (replayed != recorded && report.difference.empty()) {
      report.difference = fmt::format("line {}: {}\n  recorded: {}\n  replayed: {}", report.lines,
                                      text.substr(0, 400), recorded, replayed);
    }
    return {};
  }

 private:
  static Result<void> begin(Played& model, const std::string& name, const std::string& who,
                            const Json& in) {
    auto spec = parse_model(in.at("yaml").get<std::string>(), name);
    if (!spec) return fail(spec.error());
    auto options = from_json<route::Options>(in.at("router").dump());
    if (!options) return fail(options.error());
    const auto hash = in.at("hash").get<std::uint64_t>();
    if (who == "respec" && model.controller) {
      model.controller->set_model(std::move(*spec), hash);
      model.router->set_options(std::move(*options));
      return {};
    }
    auto start = from_json<control::Start>(in.at("start").dump());
    if (!start) return fail(start.error());
    model.controller.emplace(std::move(*spec), hash, std::move(*start));
    model.router.emplace(std::move(*options));
    return {};
  }

  std::map<std::string, Played> models_;
};

}  // namespace

void TapeWriter::put(std::string line) {
  ++sequence_;
  line += '\n';
  sink_(line);
}

void TapeWriter::model(const std::string& name, const std::string& yaml, std::uint64_t hash,
                       const control::Start& start, const route::Options& options) {
  put(fmt::format(R"({{"s":{},"w":"model","m":{},"hash":{},"yaml":{},"start":{},"router":{}}})",
                  sequence_, quoted(name), hash, quoted(yaml), to_json(start), to_json(options)));
}

void TapeWriter::respec(const std::string& name, const std::string& yaml, std::uint64_t hash,
                        const route::Options& options) {
  put(fmt::format(R"({{"s":{},"w":"respec","m":{},"hash":{},"yaml":{},"router":{}}})", sequence_,
                  quoted(name), hash, quoted(yaml), to_json(options)));
}

void TapeWriter::route(const std::string& model, const route::Event& event, Instant now,
                       const std::vector<route::Action>& actions) {
  put(fmt::format(R"({{"s":{},"w":"route","m":{},"t":{},"e":{},"a":{}}})", sequence_, quoted(model),
                  now.nanos(), to_json(event), list(actions)));
}

void TapeWriter::control(const std::string& model, const control::Event& event, Instant now,
                         const std::vector<control::Action>& actions) {
  put(fmt::format(R"({{"s":{},"w":"control","m":{},"t":{},"e":{},"a":{}}})", sequence_,
                  quoted(model), now.nanos(), to_json(event), list(actions)));
}

Result<TapeReport> replay_tape(const std::function<bool(std::string&)>& next_line) {
  TapeReport report;
  Replayer replayer;
  std::string text;
  std::uint64_t expected = 0;
  while (next_line(text)) {
    ++report.lines;
    Json in = Json::parse(text, nullptr, false);
    if (in.is_discarded()) {
      report.cut_short = true;
      std::string rest;
      if (next_line(rest)) {
        return fail(fmt::format(
            "tape line {}: not JSON; a tape is what `tidegate run --tape` writes", report.lines));
      }
      break;
    }
    if (!in.is_object() || !in.contains("s")) {
      return fail(
          fmt::format("tape line {}: no sequence number \"s\"; a tape is what `tidegate run "
                      "--tape` writes",
                      report.lines));
    }
    try {
      if (in.at("s").get<std::uint64_t>() != expected++) {
        return fail(fmt::format("tape line {}: sequence {} where {} was due: lines are missing",
                                report.lines, in.at("s").get<std::uint64_t>(), expected - 1));
      }
      if (auto done = replayer.line(in, text, report); !done) {
        return fail(done.error().within(fmt::format("tape line {}", report.lines)));
      }
    } catch (const Json::exception& e) {
      return fail(fmt::format("tape line {}: {}", report.lines, e.what()));
    }
  }
  if (report.lines == 0) return fail("the tape is empty");
  return report;
}

}  // namespace tidegate::format
