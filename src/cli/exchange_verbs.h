#pragma once
// export and import, put on the command line (see cli/verbs.h).

#include "cli/verbs.h"

namespace tidegate::cli {

void add_exchange_verbs(CLI::App& app, int& code);

}  // namespace tidegate::cli
