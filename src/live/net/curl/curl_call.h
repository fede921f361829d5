#pragma once
// One call of a CurlClient: its easy handle and what libcurl's callbacks left for the handler.
// Inside this folder only. Thread-safety: the loop's thread.

#include <curl/curl.h>

#include <string>

#include "live/net/curl/curl_client.h"

namespace tidegate::net {

struct Call {
  CurlClient::CallId id{};
  CURL* easy = nullptr;
  curl_slist* fields = nullptr;
  curl_slist* connect_to = nullptr;
  CurlRequest request;
  ClientHandler handler;
  char words[CURL_ERROR_SIZE] = "";

  // Written inside curl's callbacks, told after curl has returned.
  int status = 0;
  Headers headers;
  bool head_seen = false, head_told = false;
  std::string bytes;
  std::size_t received = 0;
  bool over_limit = false, idle = false, done = false;
  CURLcode result = CURLE_OK;

  Instant last;  // when anything came
  Loop::TimerId timer = Loop::TimerId::kNone;

  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (easy != nullptr) curl_easy_cleanup(easy);
    curl_slist_free_all(fields);
    curl_slist_free_all(connect_to);
  }
  ClientError error() const;
};

/// Everything the request says, except the callbacks.
void set_options(Call& call);
/// Once a process; curl's own initialisation is not thread-safe.
void start_curl();

}  // namespace tidegate::net
