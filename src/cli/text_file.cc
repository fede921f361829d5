#include "cli/text_file.h"

#include "sim/report/out_file.h"

namespace tidegate::cli {

Result<void> check_writable(const std::string& path) {
  if (path.empty()) return {};
  auto file = sim::OutFile::create(path);
  if (!file) return fail(file.error());
  return {};
}

Result<void> write_text(const std::string& path, const std::string& text) {
  if (path.empty()) return {};
  auto file = sim::OutFile::create(path);
  if (!file) return fail(file.error());
  (*file)->write(text);
  return (*file)->commit();
}

}  // namespace tidegate::cli
