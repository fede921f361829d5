#include "cli/command_line.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <system_error>

#include "format/spec_value.h"

namespace tidegate::cli {
namespace {

constexpr int kUsage = 2;

/// Not fmt::print, which throws where standard error is gone.
void complain(const std::string& text) {
  std::fputs(("tidegate: error: " + text + "\n").c_str(), stderr);
}

/// As in `tidegate ... | head`: who read has enough, and need not be told.
bool reader_left() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/// The verb that was reached, sub-verbs included, and how it is called.
const CLI::App& reached(const CLI::App& app, std::string& name) {
  name += (name.empty() ? "" : " ") + app.get_name();
  const auto below = app.get_subcommands();
  return below.empty() ? app : reached(*below.back(), name);
}

std::string meant(std::string_view seen, const std::vector<std::string>& names) {
  const std::string like = format::suggest(seen, {names.begin(), names.end()});
  return like.empty() ? "" : fmt::format("; did you mean {}?", like);
}

/// What stands there and nobody asked for; empty where nothing does.
std::string extra(const CLI::App& verb) {
  std::vector<std::string> rest = verb.remaining();
  if (rest.empty()) return {};
  std::vector<std::string> verbs;
  for (const auto* sub : verb.get_subcommands(std::function<bool(const CLI::App*)>{})) {
    verbs.push_back(sub->get_name());
  }
  if (!verbs.empty() && !rest.front().starts_with('-')) {  // flags behind it are its own
    return fmt::format("there is no verb \"{}\"{}", rest.front(), meant(rest.front(), verbs));
  }
  auto flag = std::find_if(rest.begin(), rest.end(), [](const std::string& word) {
    return word.size() > 1 && word[0] == '-' && word != "--";
  });
  if (flag != rest.end()) {
    std::vector<std::string> names;
    for (const auto* option : verb.get_options()) {
      for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    }
    const std::string name = flag->substr(0, flag->find('='));
    if (name == "-f" && verb.get_option_no_throw("FILE") != nullptr) {
      return "there is no flag -f: name the file without it";
    }
    return fmt::format("there is no flag {}{}", name, meant(name, names));
  }
  std::error_code unknown;
  if (verb.get_option_no_throw("--file") != nullptr &&
      std::filesystem::is_regular_file(rest.front(), unknown)) {
    return fmt::format("a file is named by a flag; did you mean -f {}?", rest.front());
  }
  return fmt::format("nothing more is expected where \"{}\" stands", fmt::join(rest, " "));
}

/// CLI11: "Could not convert: NAME = value".
std::string no_number(const CLI::App& verb, std::string_view text) {
  const std::string_view prefix = "Could not convert: ";
  const auto equals = text.find(" = ");
  if (!text.starts_with(prefix) || equals == text.npos) return std::string(text);
  const std::string name(text.substr(prefix.size(), equals - prefix.size()));
  const CLI::Option* option = verb.get_option_no_throw(name);
  const std::string type = option == nullptr ? "" : option->get_type_name();
  return fmt::format("{}: \"{}\" is not {}", name, text.substr(equals + 3),
                     type.starts_with("UINT")  ? "a whole number of 0 or more, or too large"
                     : type.starts_with("INT") ? "a whole number, or too large"
                                               : "a number");
}

std::string reason(const CLI::App& verb, const CLI::ParseError& error) {
  if (std::string more = extra(verb); !more.empty()) return more;
  std::string text = error.what();
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) return no_number(verb, text);
  if (text == "A subcommand is required") return "a verb is missing";
  return text;
}

}  // namespace

void keep_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    const int flags[] = {O_WRONLY, O_RDONLY, O_WRONLY};  // the lowest free number is fd itself
    if (::open("/dev/null", flags[fd]) != fd) return;
  }
}

void refuse_negative_counts(CLI::App& verb) {
  static const CLI::Validator kNotNegative(
      [](std::string& text) {
        return text.starts_with('-') ? fmt::format("\"{}\" is negative; give 0 or more", text) : "";
      },
      "");
  for (CLI::Option* option : verb.get_options(std::function<bool(CLI::Option*)>{})) {
    if (option->get_type_name().starts_with("UINT")) option->check(kNotNegative);
  }
  for (CLI::App* sub : verb.get_subcommands(std::function<bool(CLI::App*)>{})) {
    refuse_negative_counts(*sub);
  }
}

std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  std::reverse(words.begin(), words.end());
  return words;
}

int refused(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // help and version
  std::string name;
  const CLI::App& verb = reached(app, name);
  const std::string call = "tidegate" + name.substr(std::min(name.size(), app.get_name().size()));
  const std::string text = reason(verb, error);
  const bool leaf = verb.get_subcommands(std::function<bool(const CLI::App*)>{}).empty();
  complain(fmt::format("{}{} `{} --help` lists {}", text, text.ends_with('?') ? "" : ";", call,
                       leaf ? "what it takes" : "the verbs"));
  return kUsage;
}

int failed(const std::exception& error) {
  if (!reader_left()) complain(error.what());
  return 1;
}

int finished(int code) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  if (!reader_left()) {
    complain(
        fmt::format("standard output cannot be written: {}; free the disk, or send it elsewhere",
                    errno != 0 ? std::strerror(errno) : "a part is lost"));
  }
  return code == 0 ? 1 : code;
}

std::string bash_completion(const CLI::App& app) {
  std::string verbs, cases;
  for (const auto* sub : app.get_subcommands({})) {
    std::string flags;
    for (const auto* option : sub->get_options()) {
      for (const auto& name : option->get_lnames()) flags += " --" + name;
    }
    verbs += " " + sub->get_name();
    cases += fmt::format("    {}) words=\"{}\" ;;\n", sub->get_name(),
                         flags.substr(flags.empty() ? 0 : 1));
  }
  return fmt::format(
      "# bash completion of tidegate: source <(tidegate completion)\n"
      "_tidegate() {{\n  local words\n  case \"${{COMP_WORDS[1]}}\" in\n{}    *) words=\"{}\" ;;\n"
      "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${{COMP_WORDS[COMP_CWORD]}}\"))\n}}\n"
      "complete -o default -F _tidegate tidegate\n",
      cases, verbs.substr(1));
}

}  // namespace tidegate::cli
