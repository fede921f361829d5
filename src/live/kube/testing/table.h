#pragma once
// Table answers: what `kubectl get` prints, as the server makes it up for whoever accepts it.
//
//   if (auto wish = table_wished(request)) body = table_of(kind, objects, *wish, wall_now);
//
// A custom kind has the columns of its definition, any other has Name and Age. A field that is not
// there is null. Source: Kubernetes docs, "Receiving resources as Tables"; recorded answers.
// Thread-safety: pure functions.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "live/kube/testing/store.h"
#include "live/net/http.h"

namespace tidegate::live::kube {

struct TableWish {
  enum class Object { kNone, kMetadata, kWhole };
  std::string api_version = "meta.k8s.io/v1";
  Object object = Object::kMetadata;  ///< what each row carries beside its cells
};

/// Nothing: the caller wants plain objects.
std::optional<TableWish> table_wished(const net::Request& request);

/// Without metadata; without columnDefinitions (null) where they have been told before.
nlohmann::json table_of(const ServedKind& kind, const std::vector<ObjectPtr>& objects,
                        const TableWish& wish, WallTime now);

/// What the path leads to; null where nothing is there. Paths as definitions may have them:
/// .a.b, .a['b.c'], .a\.b, .a[0], .a[?(@.b=='c')].d
nlohmann::json value_at(const nlohmann::json& object, std::string_view path);

/// "45s", "18m", "3h5m", "2d4h", "400d", "3y10d".
std::string age_text(Duration age);

}  // namespace tidegate::live::kube
