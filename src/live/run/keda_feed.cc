#include "live/run/keda_feed.h"

#include <set>
#include <string_view>

#include "live/net/log.h"

namespace tidegate::live {
namespace {

std::optional<Replicas> desired(const control::View& view, const std::string& variant) {
  for (const auto& one : view.desired) {
    if (one.variant == variant) return one.replicas + one.asleep;
  }
  return std::nullopt;
}

}  // namespace

/// While paused. Whoever tells the actuator something then is an operator.
std::optional<Replicas> KedaFeed::Kept::hold(std::optional<Replicas> running,
                                             std::optional<Replicas> applied_now) {
  if (!held) {
    held = running ? running : told;
  } else if (applied_now != applied) {
    held = applied_now;
  }
  applied = applied_now;
  return held;
}

Result<std::unique_ptr<KedaFeed>> KedaFeed::open(const keda::ScalerOptions& options) {
  auto feed = std::make_unique<KedaFeed>();
  auto scaler = keda::Scaler::create(feed->board_, options);
  if (!scaler) return fail(scaler.error());
  feed->scaler_ = std::move(*scaler);
  return feed;
}

void KedaFeed::follow(const std::vector<std::unique_ptr<ModelRun>>& models, keda::Models known) {
  std::set<std::string_view> names;
  for (const auto& model : models) {
    names.insert(model->name());
    handled(*model);  // a model without a decision is known as such
  }
  for (auto it = kept_.begin(); it != kept_.end();) {
    const bool stays = names.contains(it->first);
    if (!stays) board_.remove(it->first);
    it = stays ? std::next(it) : kept_.erase(it);
  }
  board_.know(known);
}

void KedaFeed::handled(const ModelRun& run) {
  const control::View view = run.view();
  lead(view.leader);
  std::vector<keda::VariantNumber> numbers;
  for (const auto& variant : run.model().variants) numbers.push_back(number_of(run, view, variant));
  board_.publish(run.name(), std::move(numbers));
}

void KedaFeed::lead(bool leading) {
  if (scaler_ == nullptr || stopped_ || leading == scaler_->listening()) return;
  if (!leading) return scaler_->shutdown();
  const auto listens = scaler_->listen();
  if (!listens && listens.error().message != trouble_) {
    net::log(net::Level::kError, "KEDA scaler", {{"error", listens.error().message}});
  }
  trouble_ = listens ? "" : listens.error().message;
}

void KedaFeed::shutdown() {
  stopped_ = true;
  scaler_->shutdown();
}

keda::VariantNumber KedaFeed::number_of(const ModelRun& run, const control::View& view,
                                        const spec::Variant& variant) {
  Kept& kept = kept_[run.name()][variant.name];
  keda::VariantNumber number{.variant = variant.name, .standing = keda::Standing::kNotYet};
  // The URLs of endpoints are no count of what may run behind them.
  const bool counted = !std::holds_alternative<spec::EndpointsTarget>(variant.target);
  if (counted) number.running = run.running(variant.name);
  if (!view.paused) kept.held.reset();
  if (!view.leader) {
    number.standing = keda::Standing::kNotLeader;
  } else if (counted && view.mode != spec::Mode::kObserve) {
    number.standing = keda::Standing::kWritesItself;
  } else {
    if (run.decided()) {
      kept.told = view.paused ? kept.hold(number.running, run.applied(variant.name))
                              : desired(view, variant.name);
    }
    if (kept.told) {
      number.standing = keda::Standing::kDecided;
      number.replicas = *kept.told;
    }
  }
  return number;
}

}  // namespace tidegate::live
