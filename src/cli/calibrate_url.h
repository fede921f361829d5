#pragma once
// Wiring of `tidegate calibrate --url`: ask, sweep, fit, recommend, write.

#include <string>
#include <vector>

#include "cli/calibrate.h"
#include "core/engine/grid.h"
#include "core/engine/recommend.h"
#include "live/load/endpoint.h"
#include "live/load/sweep_run.h"

namespace tidegate::cli {

/// A measured endpoint, its fit, and what is made of both.
struct CalibratedUrl {
  live::EndpointFacts facts;
  live::SweepResult sweep;
  engine::GridFit fit;  ///< `predicted` and `was_held_out` follow sweep.measured
  engine::Profile profile;
  engine::RecommendAsk ask;
  engine::Recommendation recommended;
  std::vector<std::string> notes;  ///< what was assumed, left out or distrusted
};

int calibrate_url(const CalibrateFlags& flags);

/// One sentence: the numbers and why.
std::string recommendation_sentence(const CalibratedUrl& c);
/// How the KV size is known.
std::string kv_sentence(const CalibrateFlags& flags, const CalibratedUrl& c);
/// Median errors of the fitted or the held-out points.
std::string error_words(const engine::GridErrors& errors);
void print_calibrated(const CalibratedUrl& c, const CalibrateFlags& flags);
std::string calibrated_html(const CalibratedUrl& c);

}  // namespace tidegate::cli
