#pragma once
// CurlTransfer: one GET at a time on the calling thread, body in pieces as they come, for large
// files. Many threads, each with its own, use as many cores and connections.
//
//   CurlTransfer transfer;                       // keeps its connection for the next call
//   TransferEnd end = transfer.get({.url = url, .headers = h, .stop = &stop}, on_head, on_data);
//
// Redirects are followed, from https only to https; Authorization stays with the host it was given
// for. Bytes come as the server stores them: no compression is asked for. A handler that returns
// false ends the call at once (`end.stopped`); so does `stop`, within a second. `end.error` names
// no URL: the query of one may be a secret. HTTP/1.1: a connection each. Thread-safety: one thread.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "live/net/curl/curl_client.h"

namespace tidegate::net {

struct TransferRequest {
  std::string url;
  Headers headers;
  std::shared_ptr<const Tls> tls;  ///< null: the system's authorities
  int max_redirects = 10;
  Duration connect_timeout = seconds(15);
  Duration stall_timeout = seconds(60);  ///< nothing came for so long
  const std::atomic<bool>* stop = nullptr;
};

struct TransferEnd {
  bool stopped = false;              ///< by a handler or `stop`
  std::optional<ClientError> error;  ///< neither: the body came whole
  bool whole() const { return !stopped && !error; }
};

class CurlTransfer {
 public:
  using OnHead = std::function<bool(int status, const Headers& headers)>;
  using OnData = std::function<bool(std::string_view bytes)>;
  CurlTransfer();
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  TransferEnd get(const TransferRequest& request, const OnHead& on_head, const OnData& on_data);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidegate::net
