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

void StatusWriter::show(const ModelId& model, const std::string& status, const std::string& stored,
                        Instant now) {
  auto [it, fresh] = told_.try_emplace(model.key());
  Told& told = it->second;
  if (fresh || told.uid != model.uid) {
    told = {};
    told.uid = model.uid;
    told.next = told.next_numbers = now;
    json before = json::parse(stored.empty() ? "{}" : stored, nullptr, false);
    if (before.is_object()) told.conditions = before.value("conditions", json::array());
    told.status = without_transitions(std::move(before)).dump();
  }
  told.wanted.clear();
  if (told.status == status || told.in_flight || now < told.next) return write_next(now);
  const bool matters =
      now >= told.next_numbers || without_numbers(json::parse(told.status, nullptr, false)) !=
                                      without_numbers(json::parse(status, nullptr, false));
  if (matters) {
    told.wanted = status;
    if (!std::exchange(told.queued, true)) queue_.push_back(model);
  }
  write_next(now);
}

bool StatusWriter::numbers_due(const std::string& key, Instant now) const {
  auto told = told_.find(key);
  return told == told_.end() || now >= told->second.next_numbers;
}

void StatusWriter::write_next(Instant now) {
  if (now > allowed_) {
    const double since = to_seconds(now - std::exchange(allowed_, now));
    allowance_ = std::min(rates_.per_second, allowance_ + since * rates_.per_second);
  }
  while (!queue_.empty() && in_flight_ < kMaxInFlight && allowance_ >= 1) {
    const ModelId model = std::move(queue_.front());
    queue_.pop_front();
    auto it = told_.find(model.key());
    if (it == told_.end() || !std::exchange(it->second.queued, false)) continue;
    if (it->second.uid != model.uid || it->second.wanted.empty()) continue;
    allowance_ -= 1;
    write(model, it->second, now);
  }
}

void StatusWriter::write(const ModelId& model, Told& told, Instant now) {
  const std::string text = std::exchange(told.wanted, "");
  json status = json::parse(text, nullptr, false);
  add_transitions(status, {{"conditions", told.conditions}}, net::WorldClock::wall_now());
  json conditions = status.value("conditions", json::array());
  told.in_flight = true;
  told.next = now + rates_.least;
  told.next_numbers = now + rates_.numbers;
  ++in_flight_;
  ++writes_;
  const json body = {
      {"apiVersion", "tidegate.dev/v1alpha1"},
      {"kind", "Model"},
      {"metadata", {{"name", model.name}, {"namespace", model.ns}, {"uid", model.uid}}},
      {"status", std::move(status)}};
  client_->call(kube::patch({"tidegate.dev/v1alpha1", "models", model.ns}, model.name,
                            kube::PatchType::kApply, body, "status", "tidegate", "true"),
                [this, model, text, conditions = std::move(conditions),
                 alive = std::weak_ptr(alive_)](const kube::ApiResult<json>& answer) mutable {
                  if (alive.expired()) return;
                  answered(model, text, std::move(conditions), answer);
                  write_next(client_->loop().now());
                });
}

void StatusWriter::answered(const ModelId& model, const std::string& status, json conditions,
                            const kube::ApiResult<json>& answer) {
  --in_flight_;
  auto it = told_.find(model.key());
  if (it == told_.end() || it->second.uid != model.uid) return;
  Told& told = it->second;
  told.in_flight = false;
  if (answer) {
    told.status = status;
    told.conditions = std::move(conditions);
    told.failures = 0;
    said_.clear();
    outage_.reset();
    return;
  }
  Duration wait = rates_.least;
  for (int i = 0; i < told.failures && wait < kLongestWait; ++i) wait *= 2;
  ++told.failures;
  told.next = client_->loop().now() + std::min(wait, kLongestWait);
  told.next_numbers = told.next;
  const kube::ApiError& error = answer.error();
  if (error.code == 404) return;  // gone: told soon
  // A server that is gone fails all Models alike, in words that name each.
  const kube::Resource models{"tidegate.dev/v1alpha1", "models", model.ns};
  const bool fresh = error.of_server() ? client_->outages().join(outage_, "status", error, models)
                                       : std::exchange(said_, error.message) != error.message;
  if (!fresh) return;
  net::log(net::Level::kWarn, "status not written",
           {{"model", model.key()}, {"error", error.message}});
}

}  // namespace tidegate::live
