#pragma once
// ReplicaBook: every replica the actuator told us of, by id, and the fleet of each variant by
// state.
//
// Where it has heard of a variant at all it is the truth for `fleet`: an observation may be older.
// Ordered by id, so all that is derived is deterministic. It keeps the latest starts of each
// variant (core/control/cold_starts.h), as the change to ready tells them. It knows who is on
// the way to sleep or awake: what was ordered (told), until the actuator reports it or kToldLasts
// has passed. Units: replicas.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/control/cold_starts.h"
#include "core/control/events.h"

namespace tidegate::control {

/// An order to one replica that nothing came of is forgotten after this.
inline constexpr Duration kToldLasts = seconds(10);

class ReplicaBook {
 public:
  /// `measured`: starts of a run before; of variants the model lacks they are passed over.
  explicit ReplicaBook(const spec::Model& model, const std::vector<VariantStarts>& measured = {});

  /// Books the change. Empty where the variant is unknown or nothing changed; else the state before
  /// (kGone: not known yet).
  std::optional<ReplicaState> change(const ReplicaChanged& event, Instant now);
  /// The variants of a new spec; replicas of those it lacks are forgotten.
  void set_model(const spec::Model& model);

  /// Starts that another measured: taken for a variant where they are more than ours.
  void remember(const std::vector<VariantStarts>& measured);
  bool heard(std::size_t variant) const { return heard_[variant]; }
  const signal::Fleet& fleet(std::size_t variant) const { return fleets_[variant]; }
  const ColdStarts& cold_starts(std::size_t variant) const { return cold_starts_[variant]; }
  /// Writes what is known of a variant into what the controller sees of it: the fleet where heard
  /// of, starts where any were measured.
  void tell(std::size_t variant, signal::VariantObservation& seen) const;
  /// Of a variant: ordered longer ago than `deadline` and not ready; wakes do not count.
  std::int64_t overdue(std::size_t variant, Duration deadline, Instant now) const;
  /// Candidates to stop, wake or put to sleep: `seen` less what does not run any more, plus what it
  /// leaves out.
  std::vector<plan::ReplicaRow> rows(const std::vector<plan::ReplicaRow>& seen, Instant now) const;

  /// The replica was ordered to wake (kWaking), to sleep (kFallingAsleep) or to stop (kAwake).
  void told(ReplicaId id, plan::Rest rest, Instant now);
  /// Replicas that an Apply counts: active, asleep or on the way there.
  std::int64_t alive(std::size_t variant) const;
  /// Counts in `fleet` who was told to wake or sleep as though the actuator had said so already;
  /// returns how many are on their way to sleep.
  Replicas as_told(std::size_t variant, signal::Fleet& fleet, Instant now) const;
  /// It drains to sleep, by our word.
  bool falls_asleep(ReplicaId id) const;

 private:
  struct Entry {
    ReplicaId id;
    std::int32_t variant = 0;
    ReplicaState state = ReplicaState::kOrdered;
    Instant since;
    Instant ordered_at;                    ///< or first heard of
    plan::Rest rest = plan::Rest::kAwake;  ///< as reported
    plan::Rest told = plan::Rest::kAwake;  ///< as ordered; kAwake: nothing
    Instant told_at;
  };
  std::vector<Entry>::iterator at(ReplicaId id);
  static plan::Rest rest_after(const Entry& before, ReplicaState state);
  static plan::Rest rest_of(const Entry& entry, Instant now);
  static plan::ReplicaRow row_of(const Entry& entry, Instant now);

  std::vector<std::string> names_;
  std::vector<bool> heard_;
  std::vector<signal::Fleet> fleets_;
  std::vector<ColdStarts> cold_starts_;  ///< one a variant
  std::vector<Entry> entries_;           ///< by id
};

bool is_active(ReplicaState state);
bool is_booting(ReplicaState state);
/// The count of `fleet` that a state belongs to; none for gone.
Replicas* count_of(signal::Fleet& fleet, ReplicaState state);

}  // namespace tidegate::control
