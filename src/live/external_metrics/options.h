#pragma once
// How external metrics were asked for on the command line.

#include <string>

#include "live/net/http.h"

namespace tidegate::live::external_metrics {

enum class Write : bool { kNo, kYes };

struct Options {
  net::Address listen{"0.0.0.0", 8443};
  std::string certificate_file, key_file;  ///< PEM; both empty: one of our own
  std::string service = "tidegate";        ///< NAME or NAMESPACE/NAME; else in the pod's namespace
  Write registration = Write::kNo;         ///< make the APIService where there is none
};

}  // namespace tidegate::live::external_metrics
