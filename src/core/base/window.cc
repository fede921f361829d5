#include "core/base/window.h"

namespace tidegate {

void TimeAverage::set(double value, Instant now, Duration length) {
  // Drop what ended before the window, but keep the point whose value is still in force at its
  // start.
  Instant start = now - length;
  std::size_t keep = 0;
  while (keep + 1 < samples_.size() && samples_[keep + 1].at <= start) ++keep;
  samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(keep));
  if (!samples_.empty() && samples_.back().at >= now) {
    samples_.back().value = value;
    return;
  }
  Duration grain = length / static_cast<std::int64_t>(kMaxSamples - 2);
  if (samples_.size() >= 2) {
    Sample& last = samples_.back();
    const Sample& before = samples_[samples_.size() - 2];
    if (last.at - before.at < grain) {
      // Fold: the value before keeps the area of both until now.
      double first = to_seconds(last.at - before.at), second = to_seconds(now - last.at);
      double total = first + second;
      if (total > 0 && now - before.at <= 2 * grain) {
        double folded = (before.value * first + last.value * second) / total;
        samples_[samples_.size() - 2].value = folded;
        last = Sample{now, value};
        return;
      }
    }
  }
  samples_.push_back(Sample{now, value});
  if (samples_.size() > kMaxSamples) samples_.erase(samples_.begin());
}

double TimeAverage::mean(Instant now, Duration length, double fallback) const {
  Instant start = now - length;
  double area = 0, time = 0;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    Instant from = std::max(samples_[i].at, start);
    Instant to = i + 1 < samples_.size() ? std::min(samples_[i + 1].at, now) : now;
    if (to <= from) continue;
    double dt = to_seconds(to - from);
    area += samples_[i].value * dt;
    time += dt;
  }
  if (time > 0) return area / time;
  return samples_.empty() ? fallback : samples_.back().value;
}

double TimeAverage::max(Instant now, Duration length, double fallback) const {
  Instant start = now - length;
  bool any = false;
  double best = fallback;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    bool in_force = i + 1 == samples_.size() || samples_[i + 1].at > start;
    if (!in_force || samples_[i].at > now) continue;
    best = any ? std::max(best, samples_[i].value) : samples_[i].value;
    any = true;
  }
  return best;
}

Duration TimeAverage::covered(Instant now, Duration length) const {
  if (samples_.empty()) return Duration(0);
  return std::clamp(now - samples_.front().at, Duration(0), length);
}

}  // namespace tidegate
