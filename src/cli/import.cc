#include "cli/import.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/admin_client.h"
#include "exchange/import.h"
#include "format/spec_document.h"

namespace tidegate::cli {
namespace {

Result<std::string> text_of(const std::string& path) {
  if (path != "-") {
    auto text = format::read_file(path);
    if (!text) return fail(text.error().within(path));
    return text;
  }
  std::string out;
  char block[1 << 16];
  while (std::size_t n = std::fread(block, 1, sizeof block, stdin)) {
    out.append(block, n);
    if (out.size() > format::kMaxSpecBytes) return fail("standard input: larger than 16 MiB");
  }
  return out;
}

}  // namespace

int import_manifest(const ImportFlags& flags) {
  constexpr auto& kTokens = EnumTokens<exchange::ImportKind>::kTokens;
  std::size_t kind = 0;
  while (kind < std::size(kTokens) && kTokens[kind] != flags.kind) ++kind;
  if (kind == std::size(kTokens)) {
    return report(Error{fmt::format("there is no kind \"{}\"; there are {}", flags.kind,
                                    fmt::join(kTokens, ", "))});
  }
  auto text = text_of(flags.file);
  if (!text) return report(text.error());
  const std::string name = flags.file == "-" ? "standard input" : flags.file;
  auto imported = exchange::import(static_cast<exchange::ImportKind>(kind), *text, name);
  if (!imported) return report(imported.error());
  for (const auto& d : imported->diagnostics) fmt::print(stderr, "{}\n", d.text());
  std::fwrite(imported->text.data(), 1, imported->text.size(), stdout);
  return 0;
}

}  // namespace tidegate::cli
