#pragma once
// Stream: requests one after another, in order of time: a trace that is read, or one that is made.
//
//   for (workload::TraceRequest r; stream->next(r);) world.offer(r);
//   warn_about(stream->skipped());
//
// Bounded in memory whatever its length. Thread-safety: one owner.

#include <string>

#include "core/workload/workload.h"

namespace tidegate::workload {

class Stream {
 public:
  virtual ~Stream() = default;
  /// False at the end; `out` may then hold anything.
  virtual bool next(TraceRequest& out) = 0;
  /// Share that has been handed out, 0..1.
  virtual double progress() const = 0;
  /// What could not be used, for people; empty: nothing.
  virtual std::string skipped() const { return {}; }
};

}  // namespace tidegate::workload
