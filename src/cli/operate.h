#pragma once
// The operator's verbs against a running `tidegate run`: status, explain, scale, pause, resume.

#include <string>

#include "cli/admin_client.h"

namespace tidegate::cli {

struct StatusOptions {
  AdminFlags admin;
  std::string format = "table";  // --format table|json
  bool cold_starts = false;      // --cold-starts: where the time of a start goes, by stage
};
int status(const StatusOptions& options);

struct ExplainOptions {
  AdminFlags admin;
  std::string model;             // MODEL
  std::string at;                // --at TIME (RFC 3339 or seconds since 1970); empty: the newest
  int last = 1;                  // --last N records
  std::string format = "table";  // --format table|json
};
/// Prints what each record saw and why it decided so, and runs it again: 1 if the answer differs.
int explain(const ExplainOptions& options);

struct ScaleOptions {
  AdminFlags admin;
  std::string target;  // MODEL[/VARIANT]
  long replicas = 0;   // N
};
int scale(const ScaleOptions& options);

struct PauseOptions {
  AdminFlags admin;
  std::string model;  // MODEL
};
int pause(const PauseOptions& options);

struct ResumeOptions {
  AdminFlags admin;
  std::string model;    // MODEL
  std::string lasting;  // --for 2h: act until then, then only recommend
};
int resume(const ResumeOptions& options);

}  // namespace tidegate::cli
