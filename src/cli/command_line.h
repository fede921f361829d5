#pragma once
// The command line as a whole, whatever the verbs: completion of it, and what is said when it is
// wrong: what failed, the value seen, the fix.
//
//   for (CLI::App* verb : app.get_subcommands({})) refuse_negative_counts(*verb);
//   try {
//     app.parse(words_of(argc, argv));
//   } catch (const CLI::ParseError& error) {
//     code = refused(app, error);
//   }
//   return finished(code);

#include <CLI/CLI.hpp>
#include <exception>
#include <string>
#include <vector>

namespace tidegate::cli {

/// Gives every descriptor from 0 to 2 that came closed a harmless file, so that nothing we open
/// becomes standard output; to read or print there fails then, but messages are lost in silence.
void keep_standard_streams();

/// CLI11 reads "-1" as 2^64 - 1 where a count is wanted; this refuses it, in all sub-verbs too.
void refuse_negative_counts(CLI::App& verb);

/// Prints help or version (0), or why the command line is refused (2, usage).
int refused(const CLI::App& app, const CLI::ParseError& error);

/// Prints what a verb did not catch; 1.
int failed(const std::exception& error);

/// What to parse, last word first as CLI11 wants it: `help VERB` stands for `VERB --help`.
std::vector<std::string> words_of(int argc, char** argv);

/// The exit code of a verb that ended with `code`, once what it printed is really written.
int finished(int code);

/// Words for bash: verbs, and the flags of the verb that stands first.
std::string bash_completion(const CLI::App& app);

}  // namespace tidegate::cli
