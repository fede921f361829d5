#pragma once
// Can this be listened on, and are those certificates? gRPC would say no more than that it failed.
// Thread-safety: pure but for the file system and one socket that is closed again.

#include "core/base/result.h"
#include "live/keda/scaler.h"
#include "live/net/http.h"

namespace tidegate::live::keda {

/// An error says which flag, the value and the fix.
Result<void> probe(const net::Address& listen, const ScalerTls& tls);
/// The files alone; `flags` is what their flags begin with: "--keda-tls".
Result<void> probe_files(const ScalerTls& tls, const std::string& flags);
/// A file of CA certificates, as the flag names it.
Result<void> probe_authorities(const std::string& flag, const std::string& file);

}  // namespace tidegate::live::keda
