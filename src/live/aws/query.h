#pragma once
// Query API: a call as a form, its answer as XML, its refusal as a code with words and the fix.
//
//   std::string body = form({{"Action", "SetDesiredCapacity"}, {"DesiredCapacity", "4"}});
//   Answer answer = read_answer({"autoscaling", "SetDesiredCapacity"}, 200, xml);
//
// Of an answer only the document is kept; pugixml stays inside the .cc files. Thread-safety: pure
// functions.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "core/base/time.h"

namespace pugi {
class xml_document;
class xml_node;
}  // namespace pugi

namespace tidegate::live::aws {

/// In order; a list is "Name.member.1" and so on (EC2: "Name.1").
using Params = std::vector<std::pair<std::string, std::string>>;
std::string form(const Params& params);

/// What is called, for messages and rights: "autoscaling:SetDesiredCapacity".
struct Operation {
  std::string service, action;
};

struct AwsError {
  std::string code;  ///< AWS's, such as ValidationError; empty: no answer that could be read
  int status = 0;    ///< HTTP; 0: none
  std::string
      message;  ///< for people: operation, code, AWS's words, and the fix where one is known
  bool throttled() const;
  bool expired() const;  ///< the keys are; fresh ones may do
  /// The service failed before it did anything; asked again it may not.
  bool passing() const { return throttled() || status == 500 || status == 502 || status == 503; }
};

using Document = std::shared_ptr<const pugi::xml_document>;
using Answer = tl::expected<Document, AwsError>;
/// `clock_off` as below, where it is known: signatures of a wrong time are refused, and then the
/// error says how wrong.
Answer read_answer(const Operation& operation, int status, const std::string& body,
                   std::optional<Duration> clock_off = std::nullopt);
/// Our clock less theirs, by the Date header of an answer that came `now`; nothing: it is none.
std::optional<Duration> clock_off(std::string_view date, WallTime now);
AwsError no_answer(const Operation& operation, const std::string& why);

}  // namespace tidegate::live::aws
