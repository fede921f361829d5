#pragma once
// NumberBoard: how many replicas each variant shall have, as decided last, for readers on other
// threads.
//
//   NumberBoard board;
//   board.publish("m", {{.variant = "h100", .replicas = Replicas(3)}});    // the loop's thread
//   Found found = board.find("m", "");                                      // any thread
//
// A number nobody has decided yet is absent, not zero: find() says so, and what to do about every
// other reason there is none. Thread-safety: find() from any thread; the rest from one, the loop's.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/strong.h"

namespace tidegate::live::keda {

/// What stands between a variant and its number.
enum class Standing : std::uint8_t {
  kDecided,      ///< the number is there
  kNotYet,       ///< nothing was decided since the start
  kNotLeader,    ///< another Tidegate decides
  kWritesItself  ///< Tidegate scales this target: a ScaledObject would be a second writer
};

struct VariantNumber {
  std::string variant;
  Standing standing = Standing::kDecided;
  Replicas replicas{0};
  /// What the cluster has, where it is followed: says which way the next step goes.
  std::optional<Replicas> running = std::nullopt;
  bool operator==(const VariantNumber&) const = default;
};

/// Why there is no number; what a caller can do differs.
enum class Missing : std::uint8_t {
  kNothing,       ///< it is there
  kNotReady,      ///< will be there: ask again
  kNotLeader,     ///< ask the other one
  kNoSuchName,    ///< of model or variant
  kWhich,         ///< several variants, none named
  kWritesItself,  ///< mode must be observe
};

struct Found {
  Missing missing = Missing::kNothing;
  std::string why;  ///< with the fix; empty where nothing is missing
  VariantNumber number;
};

/// Are those published all there are?
enum class Models : std::uint8_t { kAll, kMoreMayCome };

class NumberBoard {
 public:
  static constexpr std::size_t kMaxNamesListed = 20;  ///< in a message

  /// Called after a model's numbers have changed (empty: any), on the publishing thread.
  void on_change(std::function<void(const std::string& model)> changed);
  /// All variants of the model. The same again changes nothing.
  void publish(const std::string& model, std::vector<VariantNumber> numbers);
  void remove(const std::string& model);
  /// While more may come an unknown name is not ready yet; at first all are there.
  void know(Models models);

  /// `variant` empty: the only one. Where models of several namespaces are run (NAMESPACE/NAME), a
  /// bare `model` is first the one of `ns`, the asker's own namespace.
  Found find(const std::string& model, const std::string& variant,
             const std::string& ns = {}) const;

 private:
  Found no_model(const std::string& model) const;

  std::function<void(const std::string&)> changed_;
  mutable std::mutex mutex_;  ///< over what follows
  std::map<std::string, std::vector<VariantNumber>> models_;
  Models known_ = Models::kAll;
};

}  // namespace tidegate::live::keda
