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

/// Whose Models, and how the cluster is reached: the same for each verb that follows them.
template <class Flags>
void cluster_flags(CLI::App* sub, Flags& o, const char* follows, const char* trusted) {
  auto* from = sub->add_flag("--models-from-cluster", o.models_from_cluster, follows);
  auto* some = sub->add_option("-n,--namespace", o.namespaces,
                               "whose Models, repeatable (default: that of the context or pod)")
                   ->needs(from);
  sub->add_flag("-A,--all-namespaces", o.all_namespaces, "Models of every namespace")
      ->needs(from)
      ->excludes(some);
  sub->add_flag("--trust-models", o.trust_models, trusted)->needs(from);
  sub->add_option("--kubeconfig", o.kubeconfig,
                  "how to reach the cluster (default: $KUBECONFIG, the pod's account, "
                  "~/.kube/config)");
  sub->add_option("--context", o.context, "of the kubeconfig");
}

/// --log-level and --log-format of a verb that stays.
template <class Flags>
void log_flags(CLI::App* sub, Flags& o) {
  sub->add_option("--log-level", o.log_level, "debug, info, warn, error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  sub->add_option("--log-format", o.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

/// simulate, tune, size, calibrate. `command` is what was typed, for reports.
void add_simulating_verbs(CLI::App& app, const std::string& command, int& code);

}  // namespace tidegate::cli
