#pragma once
// How verbs are put on the command line; the one header that knows CLI11.
//
//   void add_size(CLI::App& app, int& code);   // verbs_*.cc: one function for each
//
// A verb's flags live in a static of its add_ function, as long as the program.

#include <CLI/CLI.hpp>
#include <string>

namespace tidegate::cli {

inline const CLI::IsMember kFormats({"table", "json"});

/// A verb: its flags are bound to `options`, its exit code goes to `code`.
template <class Options>
CLI::App* verb(CLI::App& app, const char* name, const char* help, const char* examples,
               int (*action)(const Options&), int& code, Options& options) {
  CLI::App* sub = app.add_subcommand(name, help);
  sub->footer(std::string("Examples:\n") + examples);
  sub->callback([action, &code, &options] { code = action(options); });
  return sub;
}

/// simulate, tune, size, calibrate. `command` is what was typed, for reports.
void add_simulating_verbs(CLI::App& app, const std::string& command, int& code);

}  // namespace tidegate::cli
