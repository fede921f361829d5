#pragma once
// Front: what stands between clients and engines.

#include <cstdint>
#include <string_view>

#include "core/base/fields.h"

namespace tidegate::workload {

enum class Front : std::uint8_t {
  kGateway,  ///< Tidegate's: it queues, binds late, and counts arrivals for the policy
  kProxy,    ///< a plain one: least requests, no queue (503 where nothing is ready), engines queue
};

}  // namespace tidegate::workload

namespace tidegate {
template <>
struct EnumTokens<workload::Front> {
  static constexpr std::string_view kTokens[] = {"gateway", "proxy"};
};
}  // namespace tidegate
