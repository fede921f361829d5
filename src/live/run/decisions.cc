#include "live/run/decisions.h"

#include <nlohmann/json.hpp>

#include "format/codec.h"
#include "live/admin/admin.h"

namespace tidegate::live {

using Json = nlohmann::ordered_json;

Result<std::string> decisions_json(Journal& journal, const std::string& model, std::size_t limit,
                                   std::optional<WallTime> until) {
  auto rows = journal.decisions(model, limit, until);
  if (!rows) return fail(rows.error());
  Json results = Json::array();
  for (const auto& row : *rows) {
    Json outcomes = Json::array();
    if (auto list = journal.outcomes(model, row.sequence); list) {
      for (const auto& o : *list) {
        outcomes.push_back({{"variant", o.variant},
                            {"replicas", o.replicas},
                            {"ok", o.ok},
                            {"detail", o.detail},
                            {"wall", format_wall_time(o.wall)}});
      }
    }
    auto yaml = journal.read_spec(row.decision.spec_hash);
    results.push_back({{"sequence", row.sequence},
                       {"wall", format_wall_time(row.wall)},
                       {"repeats", row.repeats},
                       {"decision", Json::parse(format::to_json(row.decision))},
                       {"outcomes", std::move(outcomes)},
                       {"spec", yaml ? *yaml : ""}});
  }
  return Json{{"schemaVersion", 1}, {"results", std::move(results)}}.dump();
}

}  // namespace tidegate::live
