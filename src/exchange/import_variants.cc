// VariantAutoscaling (llmd.ai/v1alpha1) -> Models under policy saturation, a variant for each
// object.

#include <fmt/format.h>

#include <algorithm>

#include "core/base/ascii.h"
#include "exchange/import_parts.h"

namespace tidegate::exchange {
namespace {

using format::Node;

constexpr double kDefaultCost = 10;
constexpr std::int64_t kAssumedMax = 10;

void read_accelerator(Fields& spec, spec::Variant& variant) {
  Notes& notes = spec.notes();
  auto type = spec.text("acceleratorType");
  if (!type) type = spec.text("accelerator");
  auto count = spec.integer("acceleratorCount");
  Fields profile = spec.map("variantProfile");
  auto batch = profile.integer("maxBatchSize");
  bool parameters = profile.take("perfParms") != nullptr;
  Fields older = spec.map("modelProfile");
  if (const Node* list = older.take("accelerators"); list != nullptr && !list->items.empty()) {
    Fields first(&list->items.front(), "spec.modelProfile.accelerators[0]", notes);
    if (!type) type = first.text("acc");
    if (!count) count = first.integer("accCount");
    if (!batch) batch = first.integer("maxBatchSize");
    parameters = parameters || first.take("perfParms") != nullptr;
    if (list->items.size() > 1) {
      notes.add(list->at, "more than one accelerator in a modelProfile: the first is taken");
    }
  }
  variant.hardware.accelerator = ascii::lower(type.value_or(""));
  variant.hardware.count = std::max<std::int64_t>(1, count.value_or(1));
  if (batch && *batch > 0) variant.engine.max_num_seqs = *batch;
  if (parameters) {
    notes.add(spec.at(),
              "perfParms (alpha, beta, gamma, delta) know batch size alone; a step's law "
              "needs context and prefill too. `tidegate calibrate` fits one, `profiles/` "
              "has some: set engine.profile");
  }
}

spec::Variant read_variant(Fields& metadata, Fields& spec) {
  Notes& notes = spec.notes();
  spec::Variant out;
  out.name = spec_name(metadata.text("name").value_or(""), metadata.at(), notes);
  out.target =
      read_target(spec.map("scaleTargetRef"), metadata.text("namespace").value_or("default"));
  auto cost = spec.number("variantCost");
  out.cost_per_hour_dollars = std::max(0.0, cost.value_or(kDefaultCost));
  notes.add(spec.at(), fmt::format("{} it is a weight without a unit, taken for dollars an hour "
                                   "and replica: set costPerHour",
                                   cost ? fmt::format("variantCost {}:", *cost)
                                        : "variantCost is not given, so 10:"));
  out.min_replicas = Replicas(std::max<std::int64_t>(0, spec.integer("minReplicas").value_or(1)));
  auto most = spec.integer("maxReplicas");
  if (!most) {
    notes.add(spec.at(),
              "maxReplicas is not given here (an HPA or ScaledObject beside it has the "
              "bound); 10 is taken");
  }
  out.max_replicas = Replicas(std::max<std::int64_t>(1, most.value_or(kAssumedMax)));
  read_accelerator(spec, out);
  if (spec.take("sloClassRef") != nullptr) {
    notes.add(spec.at(),
              "sloClassRef names a ConfigMap that is not in this file: write slo {ttft, "
              "itl} instead");
  }
  spec.ignore({"variantID"});
  spec.rest();
  return out;
}

}  // namespace

std::vector<spec::Model> import_variants(const std::vector<const Node*>& roots, Notes& notes) {
  std::vector<spec::Model> out;
  for (const Node* root : roots) {
    Fields metadata(root->find("metadata"), "metadata", notes);
    Fields spec(root->find("spec"), "spec", notes);
    const Node* id = spec.take("modelID");
    std::string served = id == nullptr ? metadata.text("name").value_or("imported") : id->text;
    auto found = std::find_if(out.begin(), out.end(), [&](const spec::Model& m) {
      return m.served_names.front() == served;
    });
    if (found == out.end()) {
      found = out.insert(out.end(), spec::Model{});
      found->name = spec_name(served, id == nullptr ? spec.at() : id->at, notes);
      found->served_names = {served};
      found->scaling.policy = spec::PolicyKind::kSaturation;
      found->scaling.mode = spec::Mode::kObserve;
      found->scaling.scale_down_delay = seconds(0);
      notes.add(spec.at(),
                "the number goes to an HPA or ScaledObject that has windows of its own: "
                "two delays, one after the other. Tidegate writes the scale itself");
    }
    found->variants.push_back(read_variant(metadata, spec));
  }
  return out;
}

}  // namespace tidegate::exchange
