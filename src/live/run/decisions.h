#pragma once
// Journalled decisions as JSON: what /api/v1/models/M/decisions answers, and `tidegate explain`
// reads from the journal itself where no run answers.
//
// {schemaVersion, results: [{sequence, wall, repeats, decision, outcomes, spec}]}, newest first.

#include <optional>
#include <string>

#include "core/base/result.h"
#include "live/store/journal.h"

namespace tidegate::live {

Result<std::string> decisions_json(Journal& journal, const std::string& model, std::size_t limit,
                                   std::optional<WallTime> until);

}  // namespace tidegate::live
