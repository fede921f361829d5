#pragma once
// TextPages: what a simulated engine says, as the bytes a vLLM would serve at /metrics, parsed
// again as `tidegate run` parses them: for WorldOptions::pages. A world that reads its engines
// through text must come to the same end as one that does not; a test holds it to that.
//
//   WorldOptions options{...};
//   options.pages = TextPages();
//
// The families are those of vLLM's that a World's own pages have, with the neighbours whose names
// begin alike (waiting by reason, _created). Numbers are written with all their digits. A copy has
// buffers of its own. Thread-safety: one owner.

#include <string>

#include "core/engine/engine.h"
#include "core/signal/page.h"
#include "format/exposition_signals.h"

namespace tidegate::sim {

class TextPages {
 public:
  TextPages();
  /// Valid until the next call.
  const signal::Page& operator()(const engine::Stats& stats);
  /// As served last.
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  format::PageReader reader_;
  signal::Page page_;
};

}  // namespace tidegate::sim
