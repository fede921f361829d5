#pragma once
// What tide learned of a model, as a ConfigMap carries it: text, and what of a text may be taught.
// Pure. A text of another version, of another length than kMostLearnedBytes allows, or with numbers
// that no tide of ours would write is refused with why: it comes from outside.
//
//   std::string text = learned_text({controller.learned(), controller.measured_starts()}).value();
//   controller.handle(learned_of(text).value(), now, actions);

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/control/events.h"

namespace tidegate::live {

inline constexpr std::size_t kMostLearnedBytes = 256 << 10;  ///< an object of the API has 1.5 MiB

/// Empty where nothing was learned that outlives a run. Where it is too long with the measured
/// starts, it is without them.
Result<std::string> learned_text(const control::Taught& learned);
Result<control::Taught> learned_of(std::string_view text);

}  // namespace tidegate::live
