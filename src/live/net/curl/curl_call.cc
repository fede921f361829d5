#include "live/net/curl/curl_call.h"

#include <string_view>

#include "core/base/check.h"

namespace tidegate::net {
namespace {

// Nine probes that nobody answers end a connection.
constexpr long kTcpKeepAliveSeconds = 30, kTcpProbeSeconds = 10;

long milliseconds(Duration d) { return static_cast<long>((d.count() + 999'999) / 1'000'000); }

bool is_loopback(std::string_view url) {
  auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  std::string_view rest = url.substr(scheme + 3);
  return rest.starts_with("127.") || rest.starts_with("localhost") || rest.starts_with("[::1]");
}

ClientErrorKind kind_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
      return ClientErrorKind::kConnect;
    case CURLE_OPERATION_TIMEDOUT:
      return ClientErrorKind::kTimeout;
    case CURLE_WRITE_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
      return ClientErrorKind::kProtocol;
    default:
      return ClientErrorKind::kReset;
  }
}

bool of_handshake(CURLcode code) {
  return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
         code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE;
}

/// "https://host:port/..." as "host:port" (the scheme's port where none is given).
std::string authority(const std::string& url) {
  CURLU* parts = curl_url();
  std::string out;
  char *host = nullptr, *port = nullptr;
  if (curl_url_set(parts, CURLUPART_URL, url.c_str(), 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
    out = std::string(host) + ":" + port;
  }
  curl_free(host);
  curl_free(port);
  curl_url_cleanup(parts);
  return out;
}

void set_pem(CURL* easy, CURLoption option, const std::string& pem) {
  curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_COPY};
  curl_easy_setopt(easy, option, &blob);
}

void set_tls(Call& call, const Tls& tls) {
  CURL* easy = call.easy;
  // The system's directory of CAs is beside a CA that is given otherwise.
  if (!(tls.ca_pem + tls.ca_file).empty()) curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  if (!tls.ca_pem.empty()) {
    set_pem(easy, CURLOPT_CAINFO_BLOB, tls.ca_pem);
  } else if (!tls.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, tls.ca_file.c_str());
  }
  if (!tls.certificate_pem.empty()) {
    set_pem(easy, CURLOPT_SSLCERT_BLOB, tls.certificate_pem);
  } else if (!tls.certificate_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, tls.certificate_file.c_str());
  }
  if (!tls.key_pem.empty()) {
    set_pem(easy, CURLOPT_SSLKEY_BLOB, tls.key_pem);
  } else if (!tls.key_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLKEY, tls.key_file.c_str());
  }
  if (!tls.verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (tls.server_name.empty()) return;
  // Curl checks the name it asks for: ask for the name, and connect to where the URL said.
  std::string to = authority(call.request.url);
  auto port = to.rfind(':');
  if (port == std::string::npos) return;
  auto path = call.request.url.find('/', call.request.url.find("://") + 3);
  std::string url = "https://" + tls.server_name + to.substr(port) +
                    (path == std::string::npos ? "" : call.request.url.substr(path));
  call.connect_to =
      curl_slist_append(nullptr, (tls.server_name + to.substr(port) + ":" + to).c_str());
  curl_easy_setopt(easy, CURLOPT_CONNECT_TO, call.connect_to);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
}

}  // namespace

void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  TIDEGATE_CHECK(started == CURLE_OK);
}

ClientError Call::error() const {
  std::string message = words[0] != 0 ? words : curl_easy_strerror(result);
  if (of_handshake(result)) message = "TLS: " + message;
  ClientErrorKind kind = kind_of(result);
  if (over_limit) {
    message = "response over " + std::to_string(request.max_response_bytes) + " bytes";
  } else if (idle) {
    kind = ClientErrorKind::kTimeout;
    message =
        "nothing came for " + std::to_string(milliseconds(request.idle_timeout) / 1000) + " s";
  }
  return {kind, head_seen, request.method + " " + request.url + ": " + message};
}

void set_options(Call& call) {
  CURL* easy = call.easy;
  const CurlRequest& request = call.request;
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kTcpKeepAliveSeconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kTcpProbeSeconds);
  curl_easy_setopt(
      easy, CURLOPT_HTTP_VERSION,
      static_cast<long>(request.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call.words);
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  call.fields = curl_slist_append(call.fields, "Expect:");
  for (const auto& [name, value] : request.headers.all()) {
    std::string field = name;
    field.append(": ").append(value);
    call.fields = curl_slist_append(call.fields, field.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call.fields);
  if (!request.proxy.empty()) {
    curl_easy_setopt(easy, CURLOPT_PROXY, request.proxy.c_str());
  } else if (is_loopback(request.url)) {
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
  }
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request.connect_timeout));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(request.total_timeout));
  if (!request.sigv4.empty()) {
    curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, request.sigv4.c_str());
    curl_easy_setopt(easy, CURLOPT_USERNAME, request.sigv4_key.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, request.sigv4_secret.c_str());
  }
  if (request.tls != nullptr) set_tls(call, *request.tls);
}

}  // namespace tidegate::net
