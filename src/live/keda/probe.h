#pragma once
// Can this be listened on, and are those certificates? gRPC would say no more than that it failed.
// Thread-safety: pure but for the file system and one socket that is closed again.

#include "core/base/result.h"
#include "live/keda/scaler.h"
#include "live/net/http.h"

namespace tidegate::live::keda {

/// An error says which flag, the value and the fix.
Result<void> probe(const net::Address& listen, const ScalerTls& tls);

}  // namespace tidegate::live::keda
