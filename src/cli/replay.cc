#include "cli/replay.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "cli/admin_client.h"
#include "format/tape.h"

namespace tidegate::cli {

int replay(const ReplayOptions& options) {
  errno = 0;
  std::ifstream file(options.tape);
  if (file) file.peek();  // a directory opens, but does not read
  if (!file.is_open() || file.bad())
    return report({options.tape + ": " + std::strerror(errno != 0 ? errno : EISDIR)});
  file.clear();
  auto result = format::replay_tape(
      [&](std::string& line) { return static_cast<bool>(std::getline(file, line)); });
  if (!result) return report(result.error().within(options.tape));
  const bool same = result->difference.empty();
  if (parse_format(options.format) == Format::kJson) {
    print_results({{{"lines", result->lines},
                    {"events", result->events},
                    {"actions", result->actions},
                    {"cutShort", result->cut_short},
                    {"same", same},
                    {"difference", result->difference}}});
    return same ? 0 : 1;
  }
  fmt::print("{} events, {} actions{}: {}\n", result->events, result->actions,
             result->cut_short ? " (the last line is cut short)" : "",
             same ? "the same actions byte for byte" : "a difference at " + result->difference);
  return same ? 0 : 1;
}

}  // namespace tidegate::cli
