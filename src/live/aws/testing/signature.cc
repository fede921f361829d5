#include "live/aws/testing/signature.h"

#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <ctime>
#include <iomanip>
#include <sstream>
#include <vector>

#include "core/base/ascii.h"

namespace tidegate::live::aws {
namespace {

using Bytes = std::vector<unsigned char>;

std::string hex(const Bytes& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (unsigned char b : bytes) {
    out.push_back(kDigits[b >> 4]);
    out.push_back(kDigits[b & 15]);
  }
  return out;
}

std::string sha256(const std::string& text) {
  Bytes out(SHA256_DIGEST_LENGTH);
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return hex(out);
}

Bytes hmac(const Bytes& key, const std::string& text) {
  Bytes out(SHA256_DIGEST_LENGTH);
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &length);
  return out;
}

std::string field(const std::string& text, const std::string& name) {
  auto at = text.find(name + "=");
  if (at == std::string::npos) return "";
  at += name.size() + 1;
  return text.substr(at, text.find_first_of(", ", at) - at);
}

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> out(1);
  for (char c : text) {
    if (c == by) {
      out.emplace_back();
    } else {
      out.back().push_back(c);
    }
  }
  return out;
}

std::string amz_date(WallTime at) { return utc(at, "%Y%m%dT%H%M%SZ"); }

std::string canonical_headers(const net::Request& request, const std::string& names) {
  std::string out;
  for (const std::string& name : split(names, ';')) {
    out += name + ":" + std::string(request.headers.get(name)) + "\n";
  }
  return out;
}

}  // namespace

std::string utc(WallTime at, const char* format) {
  const std::time_t whole = at.unix_nanos() / 1'000'000'000;
  std::tm fields{};
  std::ostringstream out;
  out << std::put_time(::gmtime_r(&whole, &fields), format);
  return out.str();
}

std::optional<SignedBy> signed_by(const net::Request& request) {
  const std::string header(request.headers.get("Authorization"));
  if (!header.starts_with("AWS4-HMAC-SHA256 ")) return std::nullopt;
  const auto scope = split(field(header, "Credential"), '/');
  if (scope.size() != 5 || scope[4] != "aws4_request") return std::nullopt;
  return SignedBy{scope[0],
                  scope[1],
                  scope[2],
                  scope[3],
                  field(header, "SignedHeaders"),
                  field(header, "Signature")};
}

std::string age_fault(std::string_view date, WallTime now, std::chrono::minutes most) {
  std::tm fields{};
  std::istringstream text{std::string(date)};
  text >> std::get_time(&fields, "%Y%m%dT%H%M%SZ");
  if (!text) return "Date must be in ISO-8601 'basic format'. Got '" + std::string(date) + "'.";
  const WallTime then = WallTime::from_unix_nanos(seconds(::timegm(&fields)).count());
  const bool old = then < now + -most;
  if (!old && then <= now + most) return "";
  const auto edge = old ? now + -most : now + most;
  return (old ? "Signature expired: " : "Signature not yet current: ") + std::string(date) +
         (old ? " is now earlier than " : " is still later than ") + amz_date(edge) + " (" +
         amz_date(now) + (old ? " - " : " + ") + std::to_string(most.count()) + " min.)";
}

std::string signature_fault(const net::Request& request, const SignedBy& by,
                            const std::string& service, const std::string& region,
                            const std::string& secret) {
  if (by.service != service) return "signed for " + by.service + ", not for " + service;
  if (by.region != region) return "signed for " + by.region + ", not for " + region;
  const auto names = split(by.headers, ';');
  if (!std::is_sorted(names.begin(), names.end())) return "signed headers are not in order";
  for (const auto& [name, value] : request.headers.all()) {
    const std::string lower = ascii::lower(name);
    const bool needed = lower == "host" || lower.starts_with("x-amz-");
    if (needed && std::find(names.begin(), names.end(), lower) == names.end()) {
      return lower + " is not signed";
    }
  }
  const std::string date(request.headers.get("X-Amz-Date"));
  if (!date.starts_with(by.date) || by.date.size() != 8) return "the date is not the scope's";
  const std::string canonical = request.method + "\n" + request.path + "\n" + request.query + "\n" +
                                canonical_headers(request, by.headers) + "\n" + by.headers + "\n" +
                                sha256(request.body);
  const std::string scope = by.date + "/" + region + "/" + service + "/aws4_request";
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sha256(canonical);
  const std::string first = "AWS4" + secret;
  Bytes key(first.begin(), first.end());
  for (const std::string& part : {by.date, region, service, std::string("aws4_request")}) {
    key = hmac(key, part);
  }
  return hex(hmac(key, to_sign)) == by.signature ? "" : "the signature is another";
}

}  // namespace tidegate::live::aws
