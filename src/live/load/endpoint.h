#pragma once
// Endpoint: what an OpenAI-compatible engine says of itself, and a first request to see that it
// streams. The basis of a calibration.
//
//   Result<EndpointFacts> facts = ask_endpoint(access);
//   facts->kv_tokens;  // 0: its metrics page does not tell
//
// Asks /v1/models, /version, /metrics (in any dialect of core/signal) and for two short answers,
// which tell how many tokens it makes of a word of live/load/prompt.h and whether it takes
// ignore_eos. Blocking; wall time. Errors say what was asked, what came back and the fix.
// Thread-safety: functions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/engine/sweep.h"
#include "core/signal/dialect.h"
#include "live/load/prompt.h"
#include "live/net/http.h"
#include "live/net/http_client.h"

namespace tidegate::live {

/// How an endpoint is reached.
struct EndpointAccess {
  net::Url url;         ///< with or without /v1 at its end
  std::string api_key;  ///< sent as a bearer token; empty: none
  std::string model;    ///< empty: the first that is listed
  LoadEndpoint endpoint = LoadEndpoint::kCompletions;
};
/// A request to `path` below the endpoint's base: "/v1/models", "/metrics".
net::ClientRequest endpoint_request(const EndpointAccess& access, std::string_view path);
/// The answer that streams, so many tokens of prompt and answer asked for.
net::ClientRequest completion_request(const EndpointAccess& access, std::int64_t prompt_words,
                                      std::int64_t output, std::uint64_t unique,
                                      EndOfText end_of_text);

struct EndpointFacts {
  std::string model;
  std::string engine;                        ///< "vLLM 0.19.0", "SGLang", or empty: it does not say
  std::optional<signal::DialectId> dialect;  ///< of its metrics page
  std::int64_t max_model_len = 0;            ///< 0: not said; so with the rest
  std::int64_t kv_tokens = 0, block_size = 0;
  std::int64_t max_num_seqs = 0, max_num_batched_tokens = 0;
  EndOfText end_of_text = EndOfText::kIgnored;
  bool counts_tokens = false;  ///< its streams end with a usage; else a word counts as a token
  double prompt_tokens_fixed = 0, prompt_tokens_per_word = 1;
  /// Words of a prompt that has about so many tokens.
  std::int64_t words_of(std::int64_t tokens) const;
};
Result<EndpointFacts> ask_endpoint(const EndpointAccess& access, std::uint64_t unique,
                                   Duration timeout);

/// Gauges and the prefix cache's counters on a metrics page.
struct EndpointReading {
  engine::SweepSample sample;
  engine::SweepCache cache;  ///< cumulative
};
EndpointReading read_metrics(std::string_view page, signal::DialectId dialect);

}  // namespace tidegate::live
