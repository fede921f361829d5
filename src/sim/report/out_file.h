#pragma once
// OutFile: a file that is there whole or not at all.
//
//   auto file = OutFile::create("requests.csv");   // requests.csv.part; says why it cannot
//   file->write(row);
//   if (auto done = file->commit(); !done) return fail(done.error());   // now requests.csv
//
// What was there before stays until commit(). Without one the part is removed with the OutFile.
// What is no plain file (a pipe, /dev/stdout) is written in place. The first error is kept and told
// by commit(); what is written after it is dropped. Thread-safety: one owner.

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace tidegate::sim {

class OutFile {
 public:
  static Result<std::unique_ptr<OutFile>> create(const std::string& path);
  ~OutFile();
  OutFile(const OutFile&) = delete;
  OutFile& operator=(const OutFile&) = delete;

  void write(std::string_view bytes);
  /// Once, at the end.
  Result<void> commit();
  /// As asked for, links followed: what two files must not share.
  const std::string& target() const { return target_; }

 private:
  OutFile() = default;
  void flush();

  std::string asked_, target_;
  std::string part_;  ///< empty: written in place
  std::string buffer_;
  std::FILE* file_ = nullptr;
  int error_ = 0;  ///< errno of the first failure
};

}  // namespace tidegate::sim
