#include "live/net/curl/curl_transfer.h"

#include "core/base/check.h"
#include "live/net/curl/curl_call.h"

namespace tidegate::net {
namespace {

constexpr long kBufferBytes = 512 << 10;  // curl's largest: fewer calls for the same bytes

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

struct CurlTransfer::State {
  Call call;
  const TransferRequest* request = nullptr;
  const OnHead* on_head = nullptr;
  const OnData* on_data = nullptr;
  bool stopped = false;

  static std::size_t header(char* data, std::size_t size, std::size_t count, void* user);
  static std::size_t body(char* data, std::size_t size, std::size_t count, void* user);
  static int look(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  bool head_ended();
  void prepare();
};

bool CurlTransfer::State::head_ended() {
  long status = 0;
  curl_easy_getinfo(call.easy, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || call.head_seen) return true;
  if (is_redirect(status) && call.headers.has("location") && request->max_redirects > 0) {
    return true;  // curl goes there by itself
  }
  call.head_seen = true;
  call.status = static_cast<int>(status);
  stopped = !(*on_head)(call.status, call.headers);
  return !stopped;
}

std::size_t CurlTransfer::State::header(char* data, std::size_t size, std::size_t count,
                                        void* user) {
  auto& state = *static_cast<State*>(user);
  Call& call = state.call;
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // also of a proxy's answer, of 1xx and of redirects
    call.headers.clear();
  } else if (line.empty()) {
    if (!state.head_ended()) return 0;
  } else if (auto colon = line.find(':'); colon != std::string_view::npos && !call.head_seen) {
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    call.headers.add(std::string(line.substr(0, colon)), std::string(value));
  }
  return size * count;
}

std::size_t CurlTransfer::State::body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& state = *static_cast<State*>(user);
  if (!state.call.head_seen) return size * count;  // of a redirect
  if ((*state.on_data)({data, size * count})) return size * count;
  state.stopped = true;
  return 0;
}

int CurlTransfer::State::look(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& state = *static_cast<State*>(user);
  const bool stop = state.request->stop != nullptr && state.request->stop->load();
  state.stopped = state.stopped || stop;
  return stop ? 1 : 0;
}

void CurlTransfer::State::prepare() {
  CURL* easy = call.easy;
  curl_easy_reset(easy);  // keeps the connections
  curl_slist_free_all(call.fields);
  curl_slist_free_all(call.connect_to);
  call.fields = call.connect_to = nullptr;
  call.words[0] = 0;
  call.headers.clear();
  call.head_seen = stopped = false;
  call.request = {};
  call.request.url = request->url;
  call.request.headers = request->headers;
  call.request.tls = request->tls;
  call.request.connect_timeout = request->connect_timeout;
  set_options(call);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, nullptr);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kBufferBytes);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->max_redirects > 0 ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(request->max_redirects));
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR,
                   request->url.starts_with("https:") ? "https" : "http,https");
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(request->stall_timeout.count() / 1'000'000'000));
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &State::header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &State::body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, &State::look);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, this);
}

CurlTransfer::CurlTransfer() : state_(std::make_unique<State>()) {
  start_curl();
  state_->call.easy = curl_easy_init();
  TIDEGATE_CHECK(state_->call.easy != nullptr);
}
CurlTransfer::~CurlTransfer() = default;

TransferEnd CurlTransfer::get(const TransferRequest& request, const OnHead& on_head,
                              const OnData& on_data) {
  State& state = *state_;
  state.request = &request;
  state.on_head = &on_head;
  state.on_data = &on_data;
  state.prepare();
  state.call.result = curl_easy_perform(state.call.easy);
  if (state.stopped) return {.stopped = true};
  if (state.call.result == CURLE_OK) return {};
  ClientError error = state.call.error();
  // Call::error() puts method and URL first.
  const std::string url = "GET " + request.url + ": ";
  if (error.message.starts_with(url)) error.message.erase(0, url.size());
  return {.error = std::move(error)};
}

}  // namespace tidegate::net
