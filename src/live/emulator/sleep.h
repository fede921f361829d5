#pragma once
// Sleep: where an engine's weights and KV cache are, and in which order they come back.
//
//   SleepState s;
//   s.sleep(2);                 // weights dropped, KV dropped
//   s.wake_weights();           // memory is back, its contents are not
//   s.reload_weights();         // without this it answers with no weights
//   s.wake_kv_cache();          // awake
//
// Level 1 keeps the weights in host memory, so waking them restores them; level 2 drops them. Pure;
// one owner. Source: vLLM's sleep mode documentation.

#include <cstdint>

namespace tidegate::live {

class SleepState {
 public:
  enum class Weights : std::uint8_t {
    kResident,
    kOffloaded,  ///< level 1
    kDiscarded,  ///< level 2
    kBlank,      ///< woken after level 2: allocated, not loaded
  };
  void sleep(int level) {
    weights_ =
        level == 1 && weights_ != Weights::kBlank ? Weights::kOffloaded : Weights::kDiscarded;
    kv_ = false;
  }
  void wake_weights() {
    if (weights_ == Weights::kOffloaded) weights_ = Weights::kResident;
    if (weights_ == Weights::kDiscarded) weights_ = Weights::kBlank;
  }
  void wake_kv_cache() { kv_ = true; }
  /// False: there is no memory to load them into (asleep).
  bool reload_weights() {
    if (weights_ == Weights::kOffloaded || weights_ == Weights::kDiscarded) return false;
    weights_ = Weights::kResident;
    return true;
  }
  bool sleeping() const {
    return !kv_ || weights_ == Weights::kOffloaded || weights_ == Weights::kDiscarded;
  }
  /// Answers sensibly: awake, and with weights.
  bool usable() const { return kv_ && weights_ == Weights::kResident; }
  Weights weights() const { return weights_; }
  bool kv_cache() const { return kv_; }

 private:
  Weights weights_ = Weights::kResident;
  bool kv_ = true;
};

}  // namespace tidegate::live
