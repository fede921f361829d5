#pragma once
// AWS Signature 4, computed again from what arrived: the judge of what a client signed. For tests.
//
//   std::string fault = signature_fault(request, "autoscaling", "eu-central-1", secret);   // "": right
//
// Source (also of the words: what SDKs' issue trackers quote): AWS General Reference, "Create a
// signed AWS API request". Thread-safety: pure functions.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"
#include "live/net/http.h"

namespace tidegate::live::aws {

/// In UTC, by the format of strftime.
std::string utc(WallTime at, const char* format);

/// What an Authorization header says.
struct SignedBy {
  std::string access_key, date, region, service, headers, signature;
};
std::optional<SignedBy> signed_by(const net::Request& request);

/// What is wrong with its age where the judge's clock says `now`, in AWS's words; empty: nothing.
std::string age_fault(std::string_view date, WallTime now, std::chrono::minutes most);

/// What is wrong with it but for its age, in words; empty: nothing.
std::string signature_fault(const net::Request& request, const SignedBy& by,
                            const std::string& service, const std::string& region,
                            const std::string& secret);

}  // namespace tidegate::live::aws
