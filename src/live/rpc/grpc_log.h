#pragma once
// gRPC's own words go where ours go; the same words at most once in kTellAgain, since a caller that
// is refused comes back each second. For the whole process; may be asked for again.
// Thread-safety: any thread.

#include "core/base/time.h"

namespace tidegate::live::rpc {

inline constexpr Duration kTellAgain = seconds(60);
void log_grpc_with_ours();

}  // namespace tidegate::live::rpc
