#pragma once
// Local search of the oracle: from the best schedule played so far to a cheaper one near it.
//
//   if (auto done = refine(contest); !done) return fail(done.error());
//   if (auto done = climb(contest); !done) return fail(done.error());
//
// refine() prices changes of one replica in many stretches at once: of each level's stretches those
// far enough apart change in one run, and the misses among the requests that arrive from a stretch
// to the next changed one are booked on it. The exchange of stretches that saves most within the
// misses allowed (each taken by its misses per replica-second against one price) is then played
// whole, with smaller ones beside it, since neighbours act on each other. climb() tries one stretch
// at a time, then two. Both end when nothing is better or the budget is spent. Thread-safety: that
// of the contest.

#include "sim/search/contest.h"

namespace tidegate::sim {

Result<void> refine(Contest& contest);
Result<void> climb(Contest& contest);

}  // namespace tidegate::sim
