#pragma once
// KedaFeed: tells KEDA's scaler what was decided for each variant of each model.
//
//   auto feed = KedaFeed::open(options).value();
//   feed->follow(models, keda::Models::kAll);  // at the start, and when models come or go
//   feed->handled(run);               // after each event of a model
//
// What a ScaledObject is told (numbers count sleeping replicas too, as a target's scale does):
//   observing          the recommendation, once all that ran at the start is in sight
//   paused             what the target had when the pause began, or what `tidegate scale` said since
//   acting by itself   no number: two writers would fight (endpoints have one always: nobody writes)
//   not the leader     no number, and nobody listens: whoever looks for a scaler finds the leader's
// Thread-safety: the loop's thread.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "live/keda/number_board.h"
#include "live/keda/scaler.h"
#include "live/run/model_run.h"

namespace tidegate::live {

class KedaFeed {
 public:
  static Result<std::unique_ptr<KedaFeed>> open(const keda::ScalerOptions& options);

  void follow(const std::vector<std::unique_ptr<ModelRun>>& models, keda::Models known);
  void handled(const ModelRun& run);
  const keda::Scaler& scaler() const { return *scaler_; }
  keda::Found told(const std::string& model, const std::string& variant) const {
    return board_.find(model, variant);
  }
  /// For good.
  void shutdown();

 private:
  /// What is remembered of one variant.
  struct Kept {
    std::optional<Replicas> told;     ///< the number told last
    std::optional<Replicas> held;     ///< while paused
    std::optional<Replicas> applied;  ///< to the actuator, as seen then
    std::optional<Replicas> hold(std::optional<Replicas> running,
                                 std::optional<Replicas> applied_now);
  };
  void lead(bool leading);
  keda::VariantNumber number_of(const ModelRun& run, const control::View& view,
                                const spec::Variant& variant);

  keda::NumberBoard board_;
  std::unique_ptr<keda::Scaler> scaler_;
  bool stopped_ = false;
  std::string trouble_;                                      ///< with listening again; said last
  std::map<std::string, std::map<std::string, Kept>> kept_;  ///< by model, variant
};

}  // namespace tidegate::live
