#pragma once
// What an export is played against before it is written: the user's traces, or a made day.
//
//   auto said = simulate_export(model, law, flags);
//   said->outcomes;   // the exported law first, then tide
//
// The made day is sized to the fleet, so that bounds and cold starts matter: a cosine up to 60 % of
// what maxReplicas (at most 16) sustain, pressed into two hours, with ten minutes of half as much
// again; prompts and answers of the usual lengths. The same model and seed give the same figures.

#include "cli/export.h"
#include "core/base/result.h"
#include "exchange/export.h"

namespace tidegate::cli {

Result<exchange::Simulated> simulate_export(const spec::Model& model, const exchange::Law& law,
                                            const ExportFlags& flags);

}  // namespace tidegate::cli
