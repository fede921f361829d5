#include "sim/bill.h"

#include <algorithm>

#include "core/base/check.h"

namespace tidegate::sim {

Bill::Bill(const spec::Model& model) {
  for (const spec::Variant& variant : model.variants) {
    lines_.push_back(
        {.cost_per_hour_dollars = variant.cost_per_hour_dollars,
         .devices = static_cast<double>(variant.hardware.count) * variant.hardware.fraction});
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

void Bill::settle(Instant now) {
  TIDEGATE_CHECK(now >= since_);
  std::int64_t passed = (now - since_).count();
  for (Line& line : lines_) line.replica_nanos += __int128{passed} * line.replicas;
  since_ = now;
}

double Bill::replica_hours() const {
  double hours = 0;
  for (const Line& line : lines_) hours += line.hours();
  return hours;
}

double Bill::gpu_hours() const {
  double hours = 0;
  for (const Line& line : lines_) hours += line.hours() * line.devices;
  return hours;
}

double Bill::cost_dollars() const {
  double dollars = 0;
  for (const Line& line : lines_) dollars += line.hours() * line.cost_per_hour_dollars;
  return dollars;
}

}  // namespace tidegate::sim
