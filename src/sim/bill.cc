#include "sim/bill.h"

#include <algorithm>

#include "core/base/check.h"

namespace tidegate::sim {

Bill::Bill(const spec::Model& model) {
  for (const spec::Variant& variant : model.variants) {
    const double devices = static_cast<double>(variant.hardware.count) * variant.hardware.fraction;
    lines_.push_back({.cost_per_hour_dollars = variant.cost_per_hour_dollars,
                      .devices = devices,
                      .sleeper_cost_per_hour_dollars = spec::sleeper_cost_dollars(variant),
                      .sleeper_devices = spec::holds_device(variant.warm_pool) ? devices : 0});
  }
}

void Bill::granted(std::size_t variant, Instant now) {
  settle(now);
  ++lines_[variant].replicas;
  peak_ = std::max(peak_, ++replicas_);
}

void Bill::gone(std::size_t variant, Instant now) {
  settle(now);
  TIDEGATE_CHECK(lines_[variant].replicas > 0);
  --lines_[variant].replicas;
  --replicas_;
}

void Bill::sleeper_granted(std::size_t variant, Instant now) {
  settle(now);
  ++lines_[variant].sleepers;
}

void Bill::sleeper_gone(std::size_t variant, Instant now) {
  settle(now);
  TIDEGATE_CHECK(lines_[variant].sleepers > 0);
  --lines_[variant].sleepers;
}

void Bill::settle(Instant now) {
  TIDEGATE_CHECK(now >= since_);
  std::int64_t passed = (now - since_).count();
  for (Line& line : lines_) {
    line.replica_nanos += __int128{passed} * line.replicas;
    line.sleeper_nanos += __int128{passed} * line.sleepers;
  }
  since_ = now;
}

double Bill::replica_hours() const {
  double hours = 0;
  for (const Line& line : lines_) hours += line.hours();
  return hours;
}

double Bill::sleeper_hours() const {
  double hours = 0;
  for (const Line& line : lines_) hours += line.sleeper_hours();
  return hours;
}

double Bill::gpu_hours() const {
  double hours = 0;
  for (const Line& line : lines_) {
    hours += line.hours() * line.devices + line.sleeper_hours() * line.sleeper_devices;
  }
  return hours;
}

double Bill::cost_dollars() const {
  double dollars = 0;
  for (const Line& line : lines_) {
    dollars += line.hours() * line.cost_per_hour_dollars +
               line.sleeper_hours() * line.sleeper_cost_per_hour_dollars;
  }
  return dollars;
}

}  // namespace tidegate::sim
