#pragma once
// Front: what stands between clients and engines.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/fields.h"

namespace tidegate::spec {

enum class Front : std::uint8_t {
  kGateway,  ///< Tidegate's: it queues, binds late, and counts arrivals for the policy
  kProxy,    ///< another: what arrives is seen by what the engines count alone
};

struct InFront {
  Front by = Front::kGateway;
  std::string queue_metrics;  ///< http://HOST:PORT/PATH; of a proxy that queues; empty: none does
  std::string bearer_token_file;  ///< for that page; read again each time; empty: no token
  bool operator==(const InFront&) const = default;
};

}  // namespace tidegate::spec

namespace tidegate {
template <>
struct EnumTokens<spec::Front> {
  static constexpr std::string_view kTokens[] = {"gateway", "proxy"};
};
}  // namespace tidegate
