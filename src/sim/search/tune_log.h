#pragma once
// TuneLog: what a search has done, as lines of JSON, so that it can go on.
//
//   TuneLog log(hash_of_inputs);
//   log.read(text_of_file);
//   if (auto known = log.find("train keda:5")) ...;
//   file << log.add("train keda:5", outcome);
//
// Each line holds the hash of all inputs (spec, profiles, trace, flags, version), so one file
// serves many searches and a changed input is never mistaken for the old one. Lines that cannot be
// read, as after a kill in the middle of one, are skipped and counted. No files here.
// Thread-safety: one owner.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sim/search/tune.h"

namespace tidegate::sim {

class TuneLog {
 public:
  explicit TuneLog(std::uint64_t inputs);
  void read(std::string_view text);
  std::optional<Outcome> find(const std::string& run) const;
  /// The line to append, with its end.
  std::string add(const std::string& run, const Outcome& outcome);
  std::size_t size() const { return runs_.size(); }
  std::int64_t lines() const { return lines_; }            ///< read, of other inputs too
  std::int64_t unreadable() const { return unreadable_; }  ///< lines

 private:
  void read_line(std::string_view line);

  std::string inputs_;
  std::map<std::string, Outcome> runs_;
  std::int64_t lines_ = 0;
  std::int64_t unreadable_ = 0;
};

}  // namespace tidegate::sim
