#include "sim/search/asked.h"

#include <algorithm>
#include <utility>

namespace tidegate::sim {
namespace {

class Own : public workload::Stream {
 public:
  Own(std::unique_ptr<workload::Stream> all, const spec::Model& model)
      : all_(std::move(all)), model_(model) {}
  bool next(workload::TraceRequest& out) override {
    while (all_->next(out)) {
      if (serves(model_, out.model)) return true;
      if (others_++ == 0) other_ = out.model;
    }
    return false;
  }
  double progress() const override { return all_->progress(); }
  std::string skipped() const override {
    std::string out = all_->skipped();
    if (others_ == 0) return out;
    return (out.empty() ? out : out + "; ") + std::to_string(others_) +
           " requests name other models (\"" + other_ + "\") and are left out";
  }

 private:
  std::unique_ptr<workload::Stream> all_;
  spec::Model model_;
  std::int64_t others_ = 0;
  std::string other_;  ///< the first such name
};

}  // namespace

bool serves(const spec::Model& model, const std::string& name) {
  if (name.empty() || name == model.name) return true;
  const auto& served = model.served_names;
  if (std::find(served.begin(), served.end(), name) != served.end()) return true;
  return std::any_of(model.adapters.begin(), model.adapters.end(),
                     [&](const spec::Adapter& adapter) { return adapter.name == name; });
}

OpenStream requests_of(OpenStream open, const spec::Model& model) {
  return [open = std::move(open), model]() -> Result<std::unique_ptr<workload::Stream>> {
    auto all = open();
    if (!all) return all;
    return std::make_unique<Own>(std::move(*all), model);
  };
}

spec::Model under_policy(spec::Model model, const spec::PolicyChoice& choice) {
  model.scaling.policy = choice.policy;
  model.scaling.policy_knob = choice.knob;
  model.scaling.mode = spec::Mode::kAuto;
  model.scaling.paused = false;
  for (spec::Variant& variant : model.variants) variant.target = std::monostate{};
  return model;
}

}  // namespace tidegate::sim
