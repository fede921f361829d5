#pragma once
// OutputEstimate: how many tokens a request will produce, learned from those that ended.
//
//   OutputEstimate outputs;
//   std::int64_t tokens = outputs.expect({.tenant = hash, .prompt = 900, .max_output = 0});
//   outputs.learn({.tenant = hash, .prompt = 900, .max_output = 0}, 212);
//
// Means at three levels: of the model, of a prompt size (power of two), of a tenant's prompts of a
// size. A level that has seen n is believed n to kPrior against the one above it (shrinkage: Efron
// and Morris 1977, "Stein's paradox in statistics"), so a tenant seen once changes little and one
// seen often stands for itself. Requests with a limit are kept apart from those without. With a
// limit there are two readings, a length and a share of the limit: a client that knows its output
// names it, another names the same 4096 for all; whichever has erred less of late is taken, and
// never more than the limit. Until kEnough are seen a limit up to kHugeOutput is believed, else
// kDefaultOutput is expected.
//
// Each mean is over about kMemory requests. Tenants live in kCells hashed slots; a stranger wears
// the one it falls on down and takes it when nothing is left (Misra and Gries 1982), so many small
// tenants do not push out a large one. 33 KB, O(1) a call without a division, no allocation after
// construction.
// Tokens. Thread-safety: a value with one owner.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace tidegate::route {

class OutputEstimate {
 public:
  static constexpr std::int64_t kDefaultOutput = 256;
  static constexpr std::int64_t kHugeOutput = 1024;
  static constexpr std::int64_t kEnough = 16;
  static constexpr std::uint32_t kMemory = 256;
  static constexpr std::uint32_t kPrior = 16;
  static constexpr std::size_t kCells = 1024;
  static constexpr std::size_t kSizes = 22;  ///< prompts from 2^20 tokens on are one size

  struct Ask {
    std::uint64_t tenant = 0;  ///< hash; 0: none
    std::int64_t prompt = 0;
    std::int64_t max_output = 0;  ///< 0: not said
  };

  OutputEstimate() : cells_(kCells) {}
  /// At least 1, at most what a limit allows.
  std::int64_t expect(const Ask& ask) const;
  /// An output of zero teaches nothing: it was an error, or nobody counted.
  void learn(const Ask& ask, std::int64_t output);

 private:
  struct Mean {
    double length = 0;       ///< tokens
    double share = 0;        ///< of the limit
    std::uint32_t seen = 0;  ///< kMemory at most
  };
  struct Cell {
    std::uint64_t key = 0;
    double length = 0, share = 0;  ///< as in Mean
    std::uint16_t seen = 0;
    std::uint16_t worth = 0;  ///< strangers it withstands; 0: free
  };
  struct Reading {
    double length, share;
  };
  static std::size_t size_of(std::int64_t prompt);
  static std::uint64_t key_of(const Ask& ask);
  static std::size_t place_of(std::uint64_t key) { return key >> 54; }
  Reading read(const Ask& ask) const;

  std::array<Mean, 2> all_{};  ///< without a limit, with one
  std::array<std::array<Mean, kSizes>, 2> sizes_{};
  std::vector<Cell> cells_;
  static_assert(kCells == 1ULL << (64 - 54));
  /// Mean absolute error where there is a limit, in 1/256 tokens: as doubles, errors of nothing
  /// would fade into denormals, which cost a hundred times as much.
  std::int64_t length_error_ = 0, share_error_ = 0;
};

}  // namespace tidegate::route
