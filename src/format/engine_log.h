#pragma once
// Engine logs: what an engine says of its own start -> times of its stages.
//
//   EngineStart said = parse_engine_log(text);       // the log from its beginning
//   if (said.weights >= Duration(0)) ...             // negative: it did not say
//
// Lines are known by the words their engine has kept over many releases; what stands around them
// (time stamp, process, file) does not matter. Each rank of a parallel engine, and a draft model,
// says the same lines again: the longest counts, since they run beside each other. Seconds of the
// engine's own clock, which is the world's. Only lines up to kMaxLine are looked at; a number that
// is no time of a start (negative, a day and more) is passed over. Pure, never throws.
//
// An emulated engine says its stages in vLLM's words, and those vLLM has no part in, a node and an
// image, in its own.
//
// Source: the log calls of vLLM 0.6 to 0.14 (model loader, model runner, compilation monitor) and
// SGLang 0.4 to 0.5 (model runner, graph runner).

#include <cstddef>
#include <string_view>

#include "core/base/time.h"

namespace tidegate::format {

struct EngineStart {
  Duration procurement{-1}, image{-1};  ///< only an emulated engine plays these
  Duration weights{-1};                 ///< fetched, read and put on the device
  Duration compile{-1};
  Duration graphs{-1};  ///< capture
  bool operator==(const EngineStart&) const = default;
};

inline constexpr std::size_t kMaxLine = 4096;
/// What stands at the beginning of a log is its start; more than this is not read.
inline constexpr std::size_t kMaxStartLog = 1 << 20;

EngineStart parse_engine_log(std::string_view text);

}  // namespace tidegate::format
