#include "live/aws/query.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <iomanip>
#include <iterator>
#include <pugixml.hpp>
#include <sstream>
#include <string_view>

#include "live/net/percent.h"

namespace tidegate::live::aws {
namespace {

constexpr std::size_t kMaxWords = 600;  // of AWS's message kept

struct Fix {
  std::string_view code, words;
};
constexpr Fix kFixes[] = {
    {"InvalidClientTokenId", "the access key is unknown there; check the keys and the region"},
    {"UnrecognizedClientException", "the access key is unknown; check the keys and the region"},
    {"AuthFailure", "check the keys, the region, and the clock"},
    {"SignatureDoesNotMatch", "check the secret key, and the clock"},
    {"RequestExpired", "set this machine's clock"},
    {"ExpiredToken", "the session token has expired; get a new one"},
    {"ExpiredTokenException", "the session token has expired; get a new one"},
    {"OptInRequired", "the region is not enabled for this account"},
};
constexpr std::string_view kDenied[] = {"AccessDenied", "AccessDeniedException",
                                        "UnauthorizedOperation"};
constexpr std::string_view kThrottled[] = {"Throttling", "ThrottlingException",
                                           "RequestLimitExceeded", "RequestThrottled",
                                           "TooManyRequestsException"};

/// What services answer to a signature of another time: nearer than they allow (5 or 15 minutes)
/// it is another fault.
constexpr std::string_view kOfTheClock[] = {"SignatureDoesNotMatch", "RequestExpired",
                                            "AuthFailure"};
constexpr std::chrono::minutes kClockMayBeOff{4};

template <std::size_t N>
bool among(const std::string_view (&codes)[N], const std::string& code) {
  return std::find(std::begin(codes), std::end(codes), code) != std::end(codes);
}

std::string fix_of(const Operation& operation, const std::string& code) {
  if (among(kDenied, code)) {
    const std::string service =
        operation.service == "monitoring" ? "cloudwatch" : operation.service;
    return "allow " + service + ":" + operation.action + " in its IAM policy";
  }
  for (const Fix& fix : kFixes) {
    if (fix.code == code) return std::string(fix.words);
  }
  return "";
}

std::string clock_fix(Duration off) {
  const auto whole = std::chrono::duration_cast<std::chrono::minutes>(off).count();
  return "this machine's clock is " + std::to_string(std::abs(whole)) + " minutes " +
         (whole < 0 ? "behind" : "ahead of") + " AWS's: set it, by NTP";
}

/// <ErrorResponse><Error>, of EC2 <Response><Errors><Error>.
pugi::xml_node error_in(const pugi::xml_document& document) {
  pugi::xml_node root = document.document_element();
  pugi::xml_node error = root.child("Error");
  return error ? error : root.child("Errors").child("Error");
}

}  // namespace

std::string form(const Params& params) {
  std::string out;
  for (const auto& [name, value] : params) {
    if (!out.empty()) out.push_back('&');
    out += net::percent_encode(name) + "=" + net::percent_encode(value);
  }
  return out;
}

bool AwsError::throttled() const { return among(kThrottled, code); }
bool AwsError::expired() const {
  return code == "ExpiredToken" || code == "ExpiredTokenException" ||
         code == "InvalidClientTokenId" || code == "AuthFailure";
}

std::optional<Duration> clock_off(std::string_view date, WallTime now) {
  std::tm fields{};
  std::istringstream text{std::string(date)};
  if (!(text >> std::get_time(&fields, "%a, %d %b %Y %H:%M:%S GMT"))) return std::nullopt;
  return now - WallTime::from_unix_nanos(seconds(::timegm(&fields)).count());
}

AwsError no_answer(const Operation& operation, const std::string& why) {
  return {"", 0, operation.service + " " + operation.action + ": " + why};
}

Answer read_answer(const Operation& operation, int status, const std::string& body,
                   std::optional<Duration> clock_off) {
  const std::string what = operation.service + " " + operation.action + ": ";
  auto document = std::make_shared<pugi::xml_document>();
  const bool parsed = document->load_buffer(body.data(), body.size());
  if (parsed && status == 200) return Document(std::move(document));
  pugi::xml_node error = parsed ? error_in(*document) : pugi::xml_node();
  if (!error) {
    return tl::unexpected(AwsError{
        "", status, what + "HTTP " + std::to_string(status) + " with an answer that is no XML"});
  }
  AwsError out{error.child_value("Code"), status, ""};
  std::string words = error.child_value("Message");
  if (words.size() > kMaxWords) words.resize(kMaxWords);
  const bool late = clock_off && std::chrono::abs(*clock_off) >= kClockMayBeOff;
  const std::string fix =
      late && among(kOfTheClock, out.code) ? clock_fix(*clock_off) : fix_of(operation, out.code);
  out.message = what + out.code + ": " + words + (fix.empty() ? "" : " (" + fix + ")");
  return tl::unexpected(std::move(out));
}

}  // namespace tidegate::live::aws
