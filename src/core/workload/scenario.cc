#include "core/workload/scenario.h"

#include <algorithm>
#include <set>

namespace tidegate::workload {
namespace {

using spec::number_text;

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

class Faulter {
 public:
  explicit Faulter(std::vector<spec::Finding>& out) : out_(out) {}
  void add(std::string path, std::string message) {
    out_.push_back({true, std::move(path), std::move(message)});
  }
  /// Only where the names are known at all.
  void known(const std::string& path, const std::string& name, const std::set<std::string>& names,
             const std::string& what) {
    if (names.contains(name)) return;
    std::string there;
    for (const std::string& n : names) there += (there.empty() ? "" : ", ") + n;
    add(path, what + " " + quoted(name) + " is in none of the models; " +
                  (there.empty() ? "they have none" : "there is " + there));
  }

 private:
  std::vector<spec::Finding>& out_;
};

/// The names a fault, a mix or a class may refer to.
struct Names {
  explicit Names(const Scenario& s) {
    for (const spec::Model& model : s.models) {
      models.insert(model.name);
      asked.insert(model.name);
      asked.insert(model.served_names.begin(), model.served_names.end());
      for (const spec::Adapter& a : model.adapters) adapters.insert(a.name);
      for (const spec::PriorityClass& p : model.priority_classes) classes.insert(p.name);
      for (const spec::Variant& v : model.variants) {
        variants.insert(v.name);
        accelerators.insert(v.hardware.accelerator);
      }
    }
  }
  std::set<std::string> models, asked, adapters, classes, variants, accelerators;
};

void check_tokens(const std::optional<TokenSpread>& given, const std::string& path,
                  Faulter& faults) {
  const TokenSpread spread = given.value_or(TokenSpread{});
  auto below = [&](const std::optional<std::int64_t>& value, const std::string& key) {
    if (!value || *value >= spread.p50) return;
    faults.add(path + "." + key, key + " (" + std::to_string(*value) + ") is below p50 (" +
                                     std::to_string(spread.p50) + ")");
  };
  below(spread.p90, "p90");
  below(spread.max, "max");
}

void check_shares(const std::vector<Share>& shares, const std::string& path,
                  const std::set<std::string>* names, const std::string& what, Faulter& faults) {
  double sum = 0;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    std::string at = path + "[" + std::to_string(i) + "].name";
    sum += shares[i].share;
    if (names != nullptr) faults.known(at, shares[i].name, *names, what);
    if (!seen.insert(shares[i].name).second) {
      faults.add(at, what + " " + quoted(shares[i].name) + " is there already; add the shares up");
    }
  }
  if (sum > 1 + 1e-9) {
    faults.add(path, "the shares add up to " + number_text(sum) +
                         "; they may be 1 at most, and what is left to 1 has none");
  }
}

void check_shape(const Part& part, const std::string& path, Faulter& faults) {
  if (const auto* ramp = std::get_if<Ramp>(&part.shape); ramp && ramp->end <= ramp->begin) {
    faults.add(path + ".ramp.end", "end must be after begin; for a jump write step: {at: ..}");
  }
  if (const auto* day = std::get_if<Diurnal>(&part.shape)) {
    if (day->high < day->low) {
      faults.add(path + ".diurnal.high", "high (" + number_text(day->high) + ") is below low (" +
                                             number_text(day->low) + ")");
    }
    if (day->peak_at > day->day) {
      faults.add(path + ".diurnal.peakAt", "peakAt lies after the end of the day, " +
                                               spec::duration_text(day->day) + " long");
    }
  }
}

void check_part(const Part& part, const std::string& path, const Scenario& scenario,
                const Names& names, Faulter& faults) {
  check_shape(part, path, faults);
  if (part.until <= part.from) faults.add(path + ".until", "until must be after from");
  if (scenario.duration > Duration(0) && part.from >= scenario.duration) {
    faults.add(path + ".from", "the part begins after the end; duration is " +
                                   spec::duration_text(scenario.duration));
  }
  check_tokens(part.lengths.prompt, path + ".lengths.prompt", faults);
  check_tokens(part.lengths.output, path + ".lengths.output", faults);
  if (part.prefixes && part.prefixes->tokens < part.prefixes->block_tokens) {
    faults.add(path + ".prefixes.tokens", "a prefix shorter than a block of " +
                                              std::to_string(part.prefixes->block_tokens) +
                                              " tokens can never be found again");
  }
  check_shares(part.priorities, path + ".priorities", &names.classes, "priority class", faults);
  check_shares(part.adapters, path + ".adapters", &names.adapters, "adapter", faults);
  check_shares(part.tenants, path + ".tenants", nullptr, "tenant", faults);
  check_shares(part.models, path + ".models", &names.asked, "model", faults);
  double named = 0;
  for (const Share& share : part.models) named += share.share;
  if (scenario.models.size() > 1 && named < 1 - 1e-9) {
    faults.add(part.models.empty() ? path : path + ".models",
               "there are several models: say which are asked, as models: [{name: " +
                   scenario.models.front().name + ", share: 1}]");
  }
}

void check_parts(const Scenario& scenario, const Names& names, Faulter& faults) {
  std::set<std::string> seen;
  std::optional<std::int64_t> block;
  for (std::size_t i = 0; i < scenario.parts.size(); ++i) {
    const Part& part = scenario.parts[i];
    std::string path = "spec.workload.parts[" + std::to_string(i) + "]";
    if (part.prefixes &&
        block.value_or(part.prefixes->block_tokens) != part.prefixes->block_tokens) {
      faults.add(path + ".prefixes.blockTokens",
                 "all parts need the same blockTokens, that of the engine; above it is " +
                     std::to_string(*block));
    }
    if (part.prefixes && !block) block = part.prefixes->block_tokens;
    if (!seen.insert(part.name).second) {
      faults.add(path + ".name", "part " + quoted(part.name) +
                                     " is there already; a part's name "
                                     "is that of its random streams, so names must differ");
    }
    check_part(part, path, scenario, names, faults);
  }
}

template <class Fault>
void check_place(const Fault& fault, const std::string& path, const Names& names, Faulter& faults) {
  if (!fault.model.empty()) faults.known(path + ".model", fault.model, names.models, "model");
  if (!fault.variant.empty()) {
    faults.known(path + ".variant", fault.variant, names.variants, "variant");
  }
}

template <class Items, class Check>
void each(const Items& items, const std::string& name, Check check) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    check(items[i], "spec.faults." + name + "[" + std::to_string(i) + "]");
  }
}

void check_faults(const Faults& given, const Names& names, Faulter& faults) {
  auto window = [&](const auto& fault, const std::string& path) {
    if (fault.until <= fault.from) faults.add(path + ".until", "until must be after from");
  };
  auto place = [&](const auto& fault, const std::string& path) {
    check_place(fault, path, names, faults);
  };
  each(given.scrape_outages, "scrapeOutages", window);
  each(given.stock_outs, "stockOuts", window);
  each(given.slowdowns, "slowdowns", window);
  each(given.stock_outs, "stockOuts", place);
  each(given.reclaims, "reclaims", place);
  each(given.spot, "spot", place);
  each(given.slowdowns, "slowdowns", place);
  std::set<std::string> seen;
  each(given.pools, "pools", [&](const DevicePool& pool, const std::string& path) {
    faults.known(path + ".accelerator", pool.accelerator, names.accelerators, "accelerator");
    if (!seen.insert(pool.accelerator).second) {
      faults.add(path + ".accelerator", "there is a pool of it already; names must differ");
    }
  });
}

}  // namespace

Workload Scenario::made() const {
  Workload out{.duration = duration, .parts = parts, .priority_classes = {}};
  for (const spec::Model& model : models) {
    if (!out.priority_classes.empty()) break;  // validate(): all that have classes have the same
    for (const spec::PriorityClass& p : model.priority_classes) {
      out.priority_classes.push_back(p.name);
    }
  }
  return out;
}

std::vector<spec::Finding> validate(const Scenario& scenario) {
  std::vector<spec::Finding> out;
  Faulter faults(out);
  Names names(scenario);
  if (!scenario.trace && scenario.duration <= Duration(0)) {
    faults.add("spec.duration", "made requests need a duration above 0s, such as 1h");
  }
  if (scenario.trace && scenario.trace->until <= scenario.trace->from) {
    faults.add("spec.workload.trace.until", "until must be after from");
  }
  check_parts(scenario, names, faults);
  check_faults(scenario.faults, names, faults);
  const std::vector<spec::PriorityClass>* first = nullptr;
  for (const spec::Model& model : scenario.models) {
    if (model.priority_classes.empty()) continue;
    if (first == nullptr) first = &model.priority_classes;
    auto same = [](const spec::PriorityClass& a, const spec::PriorityClass& b) {
      return a.name == b.name;
    };
    if (!std::equal(first->begin(), first->end(), model.priority_classes.begin(),
                    model.priority_classes.end(), same)) {
      faults.add("spec", "model " + quoted(model.name) +
                             " has other priority classes than the models above it; a scenario "
                             "needs the same names in the same order");
    }
  }
  return out;
}

}  // namespace tidegate::workload
