#pragma once
// What a spec means to the router: its bounds, and how much a replica may hold.
//
//   Router router(router_options(model));
//   router.handle(replica_up(model, 0, id, {.max_num_seqs = 256, .kv_tokens = 400'000}), now, out);
//
// One copy for gateway and simulator. Thread-safety: functions.

#include <cstddef>
#include <cstdint>

#include "core/route/router.h"
#include "core/spec/model.h"

namespace tidegate::route {

Options router_options(const spec::Model& model);

/// What a profile says of one engine.
struct EngineSize {
  std::int64_t max_num_seqs = 256;  ///< of a rank, where the spec does not say
  std::int64_t kv_tokens = 0;       ///< of all ranks; 0: unknown
};
/// As the profile has it, for as many ranks as the variant runs.
EngineSize profile_size(const spec::Variant& variant);
ReplicaUp replica_up(const spec::Model& model, std::size_t variant, ReplicaId id,
                     const EngineSize& size);

}  // namespace tidegate::route
