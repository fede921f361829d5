#pragma once
// PromQL at its borders: what is asked of a Prometheus, and what it answers.
//
//   auto answer = PromqlAnswer::parse(body);                  // of /api/v1/query
//   SampleLine line;
//   for (std::size_t i = 0; answer && i < answer->size(); ++i) { answer->read(i, line); ... }
//
// An answer's sample values are texts ("NaN", "+Inf") and its times JSON numbers in seconds. Of a
// vector the time is that of the question; only a range selector (`x[60s]`) tells when samples were
// scraped, so of a matrix the newest sample is given. An empty result is no error and no zero.
// Never throws; any bytes are legal input. Thread-safety: values with one owner. Source:
// prometheus/docs querying/api.md, querying/basics.md.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "format/exposition_signals.h"

namespace tidegate::format {

class PromqlAnswer {
 public:
  enum class Kind : std::uint8_t { kVector, kMatrix, kScalar, kString };
  static constexpr std::size_t kMaxWarnings = 16;  ///< further ones are left out

  /// An error is Prometheus's own ("bad_data: ...") or says that this is no answer of its.
  static Result<PromqlAnswer> parse(std::string_view body);
  PromqlAnswer(PromqlAnswer&&) noexcept;
  PromqlAnswer& operator=(PromqlAnswer&&) noexcept;
  ~PromqlAnswer();

  Kind kind() const { return kind_; }
  std::size_t size() const;  ///< series; 1 of a scalar
  /// Series i: its newest sample, when that was, and its labels, unescaped, `__name__` among them.
  /// Views last as long as this. False: it holds no plain sample (a native histogram), or more
  /// labels than SampleLine takes.
  bool read(std::size_t i, SampleLine& out) const;
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Document;
  PromqlAnswer(std::unique_ptr<Document> document, Kind kind);
  std::unique_ptr<Document> document_;
  Kind kind_;
  std::vector<std::string> warnings_;
};

/// The vector selectors of a query, each once, without offset and range: what its value rests on.
/// At most kMaxSelectors.
inline constexpr std::size_t kMaxSelectors = 16;
std::vector<std::string> promql_selectors(std::string_view query);

/// A query for when the oldest series under any of `selectors` was scraped, in unix seconds.
std::string promql_oldest(const std::vector<std::string>& selectors);

/// A query for all that `reader` looks for, with the times of its samples: every series of the
/// names whose labels match `matchers` (without braces), over the last `range`.
std::string promql_page(const PageReader& reader, std::string_view matchers, Duration range);

}  // namespace tidegate::format
