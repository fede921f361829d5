#pragma once
// What the environment says about sources: the hub's address and token, as its own tools read them.
//
//   auto access = source_access({.token_file = file}, kube::process_environment());
//
// HF_ENDPOINT; a token from the file given, else HF_TOKEN, else the file HF_TOKEN_PATH,
// HF_HOME/token or ~/.cache/huggingface/token, where there is one. Thread-safety: functions.
// Source: huggingface_hub, "Environment variables".

#include <string>

#include "live/kube/access.h"
#include "live/weights/file_list.h"
#include "live/weights/transport.h"

namespace tidegate::live::weights {

struct AccessWords {
  std::string endpoint;    ///< empty: HF_ENDPOINT, else the public hub
  std::string token_file;  ///< empty: as above
  std::string ca_file;     ///< PEM; empty: the system's authorities
};
Result<SourceAccess> source_access(const AccessWords& words, const kube::Environment& environment);

}  // namespace tidegate::live::weights
