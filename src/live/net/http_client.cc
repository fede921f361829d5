#include "live/net/http_client.h"

#include <utility>

#include "live/net/http_client_core.h"

namespace tidegate::net {
namespace http1 {

void ClientCore::begin(const std::shared_ptr<Call>& call, Reuse reuse) {
  const Address& address = call->request.address;
  if (auto it = idle.find(address); reuse == Reuse::kAllowed && it != idle.end()) {
    auto connection = std::move(it->second.back());
    it->second.pop_back();
    if (it->second.empty()) idle.erase(it);
    return connection->reuse(call);
  }
  auto told = [weak = weak_from_this(), call](const Resolver::Found& found) {
    if (auto self = weak.lock()) self->resolved(call, found);
  };
  if (auto found = resolver.resolve(address, std::move(told))) return resolved(call, *found);
  loop.after(call->request.connect_timeout, [weak = weak_from_this(), call] {
    auto self = weak.lock();
    if (self == nullptr || call->connection != nullptr) return;
    self->fail_call(call, ClientErrorKind::kTimeout,
                    "cannot resolve \"" + call->request.address.host + "\" in time");
  });
}

void ClientCore::resolved(const std::shared_ptr<Call>& call, const Resolver::Found& found) {
  if (call->over || shut) return;
  if (!found) return fail_later(call, ClientErrorKind::kConnect, found.error().message);
  auto connection = std::make_shared<ClientConnection>(shared_from_this(), call->request.address);
  connection->connect(call, *found);
}

void ClientCore::forget(Call& call) { calls.erase(static_cast<std::uint64_t>(call.id)); }

void ClientCore::fail_call(const std::shared_ptr<Call>& call, ClientErrorKind kind,
                           std::string message) {
  if (call->over || shut) return;
  call->over = true;
  forget(*call);
  if (call->handler.on_error) call->handler.on_error({kind, call->head_seen, std::move(message)});
}

void ClientCore::fail_later(const std::shared_ptr<Call>& call, ClientErrorKind kind,
                            std::string message) {
  loop.defer([self = shared_from_this(), call, kind, message = std::move(message)] {
    self->fail_call(call, kind, message);
  });
}

void ClientCore::keep(const std::shared_ptr<ClientConnection>& connection) {
  if (shut || options.max_idle_per_address == 0) return connection->close();
  auto& pool = idle[connection->address()];
  if (pool.size() >= options.max_idle_per_address) return connection->close();
  pool.push_back(connection);
}

void ClientCore::drop_idle(const ClientConnection* connection) {
  auto it = idle.find(connection->address());
  if (it == idle.end()) return;
  std::erase_if(it->second, [&](const auto& held) { return held.get() == connection; });
  if (it->second.empty()) idle.erase(it);
}

void ClientCore::shut_down() {
  shut = true;
  resolver.close();
  auto open = std::exchange(calls, {});
  for (auto& [id, call] : open) {
    call->over = true;
    if (auto connection = call->connection) connection->close();
  }
  auto pools = std::exchange(idle, {});
  for (auto& [address, pool] : pools) {
    for (auto& connection : pool) connection->close();
  }
}

}  // namespace http1

struct HttpClient::State : http1::ClientCore {
  using ClientCore::ClientCore;
};

HttpClient::HttpClient(Loop& loop) : HttpClient(loop, Options{}) {}
HttpClient::HttpClient(Loop& loop, Options options)
    : state_(std::make_shared<State>(loop, options)) {}
HttpClient::~HttpClient() { state_->shut_down(); }

HttpClient::CallId HttpClient::send(ClientRequest request, ClientHandler handler) {
  auto call = std::make_shared<http1::Call>();
  call->id = CallId{state_->next_id++};
  call->request = std::move(request);
  call->handler = std::move(handler);
  state_->calls.emplace(static_cast<std::uint64_t>(call->id), call);
  auto head = http1::encode_request_head(call->request, call->body().size());
  if (head) {
    call->head = std::move(*head);
    state_->begin(call, http1::ClientCore::Reuse::kAllowed);
  } else {
    state_->fail_later(call, ClientErrorKind::kProtocol, head.error().message);
  }
  return call->id;
}

HttpClient::CallId HttpClient::fetch(ClientRequest request,
                                     std::function<void(Result<Response>)> done) {
  auto response = std::make_shared<Response>();
  auto tell = std::make_shared<std::function<void(Result<Response>)>>(std::move(done));
  ClientHandler handler;
  handler.on_head = [response](int status, const Headers& headers) {
    response->status = status;
    response->headers = headers;
  };
  handler.on_data = [response](std::string_view bytes) { response->body.append(bytes); };
  handler.on_end = [response, tell] { (*tell)(std::move(*response)); };
  handler.on_error = [tell](const ClientError& error) { (*tell)(fail(error.message)); };
  return send(std::move(request), std::move(handler));
}

void HttpClient::cancel(CallId id) {
  auto it = state_->calls.find(static_cast<std::uint64_t>(id));
  if (it == state_->calls.end()) return;
  auto call = it->second;
  state_->calls.erase(it);
  call->over = true;
  if (auto connection = call->connection) connection->close();
}

void HttpClient::pause(CallId id) {
  auto it = state_->calls.find(static_cast<std::uint64_t>(id));
  if (it == state_->calls.end() || it->second->paused) return;
  it->second->paused = true;
  if (auto connection = it->second->connection) connection->paused_changed();
}

void HttpClient::resume(CallId id) {
  auto it = state_->calls.find(static_cast<std::uint64_t>(id));
  if (it == state_->calls.end() || !it->second->paused) return;
  it->second->paused = false;
  if (auto connection = it->second->connection) connection->paused_changed();
}

std::size_t HttpClient::open_calls() const { return state_->calls.size(); }

Result<Response> fetch_blocking(ClientRequest request, Duration timeout) {
  auto loop = Loop::create();
  if (!loop) return fail(loop.error());
  HttpClient client(**loop);
  std::string where = request.address.text();
  std::optional<Result<Response>> result;
  client.fetch(std::move(request), [&](Result<Response> r) { result = std::move(r); });
  if (!(*loop)->run_until([&] { return result.has_value(); }, timeout)) {
    return fail("no whole response from " + where + " within " +
                std::to_string(timeout.count() / 1'000'000) + " ms");
  }
  return std::move(*result);
}

}  // namespace tidegate::net
