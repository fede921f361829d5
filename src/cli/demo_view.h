#pragma once
// DemoView: the demo's picture. On a tty it redraws in place; elsewhere it prints a line now and
// then.

#include <deque>
#include <string>

#include "live/gateway/gateway.h"
#include "live/load/load.h"
#include "live/run/model_run.h"

namespace tidegate::cli {

class DemoView {
 public:
  /// `span`: world seconds the traffic lasts.
  DemoView(double span, bool tty) : span_(span), tty_(tty) {}
  Duration period() const { return tty_ ? millis(250) : seconds(5); }
  void draw(live::ModelRun& model, live::Gateway& gateway, const live::LoadResult& load);
  void summary(live::ModelRun& model, const live::LoadResult& load, Instant now);

 private:
  struct Frame {
    double world = 0, rate = 0, ttft_p99 = -1;
    std::int64_t queue = 0, in_flight = 0, ready = 0, starting = 0, draining = 0, desired = 0;
    std::string why;
  };
  Frame look(live::ModelRun& model, live::Gateway& gateway, const live::LoadResult& load);
  void paint(const Frame& f, const live::LoadResult& load, double dollars);

  double span_;
  bool tty_;
  bool painted_ = false;
  std::int64_t arrived_before_ = 0;
  double world_before_ = 0;
  std::deque<double> rates_;
  std::deque<double> ready_;
};

}  // namespace tidegate::cli
