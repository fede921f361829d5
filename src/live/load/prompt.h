#pragma once
// Prompts of the right length: text whose tokens are known without a tokenizer.
//
// One token is one word of three letters or digits and a blank: four bytes, the estimate that
// gateways and the emulated engine use, and about what real tokenizers make of such text (they see
// somewhat more). Text follows from the trace alone: a block of a prefix hash is always the same
// text, so requests that share hashes share the text block by block; what has no hash is told apart
// by `unique`. Pure. Nothing in the text needs escaping in JSON.

#include <cstdint>
#include <string>

#include "core/workload/workload.h"

namespace tidegate::live {

inline constexpr std::int64_t kPromptBytesPerToken = 4;

/// Appends exactly tokens * kPromptBytesPerToken bytes.
void append_prompt(std::string& out, const workload::TraceRequest& request, std::int64_t tokens,
                   std::uint64_t unique);

enum class LoadEndpoint : std::uint8_t { kCompletions, kChat };

/// Whether a model may end its answer early. Engines that do not know ignore_eos may refuse it.
enum class EndOfText : std::uint8_t { kIgnored, kHonoured };

/// The whole JSON body: streamed, exactly `request.output` tokens asked for (ignore_eos), usage
/// included.
std::string request_body(LoadEndpoint endpoint, const std::string& model,
                         const workload::TraceRequest& request, std::uint64_t unique,
                         EndOfText end_of_text = EndOfText::kIgnored);

}  // namespace tidegate::live
