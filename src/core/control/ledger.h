#pragma once
// Ledger: what was applied to each variant in this run, what the actuator has not acknowledged yet,
// what it refused, and so which number is not ours.
//
// Its numbers are of all replicas the actuator keeps, those asleep included.
//
// A variant of which nothing was applied yet has no number: the first decision that acts states it
// once, also after a restart, where the actuator knows only what it adopted.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/time.h"

namespace tidegate::control {

/// After a refusal the same number is asked again after this long.
inline constexpr Duration kRefusedRetry = seconds(10);
/// Unacknowledged numbers kept per variant; the oldest is forgotten.
inline constexpr std::size_t kMaxUnacknowledged = 16;

class Ledger {
 public:
  enum class Verdict : std::uint8_t { kOurs, kForeign, kRefused };

  explicit Ledger(std::size_t variants) : rows_(variants) {}

  struct Number {
    std::int64_t replicas = 0;
    std::int64_t asleep = 0;  ///< of those
    bool operator==(const Number&) const = default;
  };
  std::optional<std::int64_t> applied(std::size_t variant) const { return rows_[variant].applied; }
  /// Of those, how many shall not sleep.
  std::optional<std::int64_t> awake(std::size_t variant) const;
  /// Is an Apply of this number news to the actuator (or due again after a refusal)?
  bool wants(std::size_t variant, Number number, Instant now) const;
  void sent(std::size_t variant, Number number);
  Verdict answered(std::size_t variant, std::int64_t replicas, bool ok, Instant now);
  /// More active replicas than anything we asked for explains; `surge` are allowed on top.
  bool too_many(std::size_t variant, std::int64_t active, std::int64_t surge) const;
  /// Fewer active replicas than anything we asked for explains.
  bool too_few(std::size_t variant, std::int64_t active) const;
  /// The number is now this one, not by us.
  void taken_over(std::size_t variant, Number number);
  /// Nothing is known of what the actuator was told last.
  void forget();
  /// Rows of a new spec: old index of each new variant.
  void remap(const std::vector<std::optional<std::size_t>>& from);
  Instant next_wake() const;

 private:
  struct Row {
    std::optional<std::int64_t> applied;
    std::int64_t asleep = 0;                   ///< of those
    std::optional<std::int64_t> acknowledged;  ///< last, in force until `applied` is; none: unknown
    std::vector<std::int64_t> unacknowledged;  ///< oldest first
    Instant retry_at = Instant::never();       ///< refused: ask again then
  };
  std::vector<Row> rows_;
};

}  // namespace tidegate::control
