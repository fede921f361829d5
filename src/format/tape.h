#pragma once
// Tape: every (event, now, sequence) that routers and controllers were given, with what they
// answered. Replayed through core it must yield the same actions byte for byte: the proof that live
// holds no second implementation of a decision.
//
//   TapeWriter tape([&](std::string_view line) { file.write(line); });
//   tape.model("qwen", yaml, hash, start, router_options);
//   tape.route("qwen", event, now, actions);
//
//   TapeReport report = replay_tape([&](std::string& line) { return getline(file, line); });
//
// One JSON object a line. Reading stops at a line cut short (a killed process): said, not an error.
// Thread-safety: TapeWriter has one owner.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/control/controller.h"
#include "core/route/router.h"

namespace tidegate::format {

class TapeWriter {
 public:
  using Sink = std::function<void(std::string_view line)>;
  explicit TapeWriter(Sink sink) : sink_(std::move(sink)) {}
  /// A model begins, or begins again with a new spec (before the SpecChanged event).
  void model(const std::string& name, const std::string& yaml, std::uint64_t hash,
             const control::Start& start, const route::Options& options);
  void respec(const std::string& name, const std::string& yaml, std::uint64_t hash,
              const route::Options& options);
  void route(const std::string& model, const route::Event& event, Instant now,
             const std::vector<route::Action>& actions);
  void control(const std::string& model, const control::Event& event, Instant now,
               const std::vector<control::Action>& actions);
  std::uint64_t lines() const { return sequence_; }

 private:
  void put(std::string line);
  Sink sink_;
  std::uint64_t sequence_ = 0;
};

struct TapeReport {
  std::uint64_t lines = 0, events = 0, actions = 0;
  bool cut_short = false;
  /// Empty: every action was the same. Else the first difference: line, event, recorded, replayed.
  std::string difference;
};

/// `next_line` fills its argument and returns false at the end.
Result<TapeReport> replay_tape(const std::function<bool(std::string&)>& next_line);

}  // namespace tidegate::format
