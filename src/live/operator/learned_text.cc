#include "live/operator/learned_text.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "format/codec.h"

namespace tidegate::live {
namespace {

/// Lists are as long as this version's, or empty; what indexes them is within them.
bool sound(const policy::TideState& s) {
  auto fits = [](const auto& list, std::size_t size) {
    return list.empty() || list.size() == size;
  };
  return fits(s.season, policy::kTideSeasonSlots) && fits(s.errors, policy::kTidePredictors) &&
         fits(s.flights, policy::kTideWayCount) && fits(s.late, policy::kTideWayCount) &&
         fits(s.late_sum, policy::kTideWayCount) && fits(s.late_squares, policy::kTideWayCount) &&
         fits(s.cost, policy::kTideWayCount) &&
         fits(s.surprises, std::size(policy::kTideSurprises)) && s.way >= 0 &&
         s.way < static_cast<std::int64_t>(policy::kTideWayCount) && s.scored >= 0 &&
         s.credit > 0 && s.credit <= 1 && s.luck > 0 && s.dispersion >= 0 &&
         s.surprise_hours >= 0 && s.lengths.requests >= 0 && s.usual.requests >= 0 &&
         s.work_variance > 0 && s.trend.squares >= 0;
}

Result<void> small_enough(std::size_t bytes) {
  if (bytes <= kMostLearnedBytes) return {};
  return fail("what was learned is " + std::to_string(bytes) + " bytes; the most is " +
              std::to_string(kMostLearnedBytes));
}

}  // namespace

Result<std::string> learned_text(const control::Taught& learned) {
  if (!learned.learned.tide) return std::string();
  std::string text = format::to_json(control::Event(learned));
  if (!small_enough(text.size()) && !learned.cold_starts.empty()) {
    text = format::to_json(control::Event(control::Taught{learned.learned, {}}));
  }
  if (auto fits = small_enough(text.size()); !fits) return fail(fits.error());
  return text;
}

Result<control::Taught> learned_of(std::string_view text) {
  if (auto fits = small_enough(text.size()); !fits) return fail(fits.error());
  auto event = format::from_json<control::Event>(text);
  if (!event) return fail(event.error());
  auto* taught = std::get_if<control::Taught>(&*event);
  if (taught == nullptr || !taught->learned.tide) return fail("it holds nothing that tide learned");
  if (!sound(*taught->learned.tide)) return fail("its numbers are none that tide would write");
  return std::move(*taught);
}

}  // namespace tidegate::live
