#include "live/operator/status_writer.h"

#include <algorithm>

#include "live/net/clock.h"
#include "live/net/log.h"
#include "live/operator/model_status.h"

namespace tidegate::live {
namespace {

using nlohmann::json;

/// What changes all the time, and alone is no news.
json without_numbers(json status) {
  status.erase("queueRequests");
  status.erase("ttftP99");
  return status;
}

}  // namespace

void StatusWriter::show(const ModelId& model, const json& status, const std::string& stored,
                        Instant now) {
  auto [it, fresh] = told_.try_emplace(model.key());
  Told& told = it->second;
  if (fresh || told.uid != model.uid) {
    told = {};
    told.uid = model.uid;
    told.next = told.next_numbers = now;
    told.status = json::parse(stored.empty() ? "{}" : stored, nullptr, false);
  }
  if (told.in_flight || in_flight_ >= kMaxInFlight || now < told.next) return;
  const json before = without_transitions(told.status);
  if (before == status) return;
  const bool matters = without_numbers(before) != without_numbers(status);
  if (!matters && now < told.next_numbers) return;
  write(model, told, status, now);
}

void StatusWriter::write(const ModelId& model, Told& told, json status, Instant now) {
  add_transitions(status, told.status, net::WorldClock::wall_now());
  told.in_flight = true;
  told.next = now + rates_.least;
  told.next_numbers = now + rates_.numbers;
  ++in_flight_;
  ++writes_;
  const json body = {
      {"apiVersion", "tidegate.dev/v1alpha1"},
      {"kind", "Model"},
      {"metadata", {{"name", model.name}, {"namespace", model.ns}, {"uid", model.uid}}},
      {"status", status}};
  client_->call(
      kube::patch({"tidegate.dev/v1alpha1", "models", model.ns}, model.name,
                  kube::PatchType::kApply, body, "status", "tidegate", "true"),
      [this, model, status, alive = std::weak_ptr(alive_)](const kube::ApiResult<json>& answer) {
        if (!alive.expired()) answered(model, status, answer);
      });
}

void StatusWriter::answered(const ModelId& model, json status,
                            const kube::ApiResult<json>& answer) {
  --in_flight_;
  auto it = told_.find(model.key());
  if (it == told_.end() || it->second.uid != model.uid) return;
  Told& told = it->second;
  told.in_flight = false;
  if (answer) {
    told.status = std::move(status);
    told.failures = 0;
    said_.clear();
    return;
  }
  Duration wait = rates_.least;
  for (int i = 0; i < told.failures && wait < kLongestWait; ++i) wait *= 2;
  ++told.failures;
  told.next = client_->loop().now() + std::min(wait, kLongestWait);
  told.next_numbers = told.next;
  if (answer.error().code == 404 || answer.error().message == said_) return;  // gone: told soon
  said_ = answer.error().message;
  net::log(net::Level::kWarn, "status not written", {{"model", model.key()}, {"error", said_}});
}

}  // namespace tidegate::live
