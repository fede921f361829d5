#include "live/net/curl/curl_client.h"

#include <sys/epoll.h>

#include <algorithm>
#include <map>
#include <vector>

#include "core/base/check.h"
#include "live/net/curl/curl_call.h"

namespace tidegate::net {
struct CurlClient::State : std::enable_shared_from_this<State> {
  explicit State(Loop& l) : loop(l) {}
  ~State() {
    for (auto& [id, call] : calls) forget(*call);
    calls.clear();
    loop.cancel(timer);
    curl_multi_cleanup(multi);
  }

  void open();
  CallId send(CurlRequest request, ClientHandler handler);
  void prepare(Call& call);
  void act(curl_socket_t fd, int mask);
  void deliver();
  void tell(const std::shared_ptr<Call>& call);
  void forget(Call& call);
  void watch_idle(Call& call);
  void touch(Call& call) {
    call.last = loop.now();
    if (touched.empty() || touched.back() != call.id) touched.push_back(call.id);
  }
  bool known(CallId id) const { return calls.contains(id); }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void* known);
  static int on_timer(CURLM*, long milliseconds, void* user);
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user);

  struct Link {  // what curl's callbacks of one call are given
    State* state;
    Call* call;
  };

  Loop& loop;
  CURLM* multi = nullptr;
  Loop::TimerId timer = Loop::TimerId::kNone;
  std::uint64_t next = 1;
  std::map<CallId, std::shared_ptr<Call>> calls;
  std::map<CallId, Link> links;
  std::vector<CallId> touched;
};

void CurlClient::State::open() {
  start_curl();
  multi = curl_multi_init();
  TIDEGATE_CHECK(multi != nullptr);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
}

int CurlClient::State::on_socket(CURL*, curl_socket_t fd, int what, void* user, void* known) {
  auto* state = static_cast<State*>(user);
  if (what == CURL_POLL_REMOVE) {
    if (known != nullptr) state->loop.unwatch(fd);
    return 0;
  }
  std::uint32_t events = 0;
  if ((what & CURL_POLL_IN) != 0) events |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
  if (known != nullptr) {
    state->loop.change(fd, events);
    return 0;
  }
  auto watched = state->loop.watch(fd, events, [weak = state->weak_from_this(), fd](auto seen) {
    auto self = weak.lock();
    if (!self) return;
    int mask = 0;
    if ((seen & (EPOLLIN | EPOLLHUP | EPOLLRDHUP)) != 0) mask |= CURL_CSELECT_IN;
    if ((seen & EPOLLOUT) != 0) mask |= CURL_CSELECT_OUT;
    if ((seen & EPOLLERR) != 0) mask |= CURL_CSELECT_ERR;
    self->act(fd, mask);
  });
  if (!watched) return -1;
  curl_multi_assign(state->multi, fd, state);
  return 0;
}

int CurlClient::State::on_timer(CURLM*, long milliseconds, void* user) {
  auto* state = static_cast<State*>(user);
  state->loop.cancel(state->timer);
  state->timer = Loop::TimerId::kNone;
  if (milliseconds < 0) return 0;
  state->timer = state->loop.after(millis(milliseconds), [weak = state->weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->timer = Loop::TimerId::kNone;
    self->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

std::size_t CurlClient::State::on_header(char* data, std::size_t size, std::size_t count,
                                         void* user) {
  auto [state, call] = *static_cast<Link*>(user);
  std::string_view line(data, size * count);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // also of a proxy's answer, and of 1xx
    call->headers.clear();
  } else if (line.empty()) {
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) {
      call->status = static_cast<int>(status);
      call->head_seen = true;
      state->touch(*call);
    }
  } else if (auto colon = line.find(':'); colon != std::string_view::npos && !call->head_seen) {
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    call->headers.add(std::string(line.substr(0, colon)), std::string(value));
  }
  return size * count;
}

std::size_t CurlClient::State::on_body(char* data, std::size_t size, std::size_t count,
                                       void* user) {
  auto [state, call] = *static_cast<Link*>(user);
  std::size_t length = size * count;
  call->received += length;
  if (call->request.max_response_bytes > 0 && call->received > call->request.max_response_bytes) {
    call->over_limit = true;
    return 0;
  }
  call->bytes.append(data, length);
  state->touch(*call);
  return length;
}

void CurlClient::State::prepare(Call& call) {
  CURL* easy = call.easy;
  set_options(call);
  Link& link = links[call.id] = Link{this, &call};
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &State::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &link);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &State::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &link);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &call);
}

CurlClient::CallId CurlClient::State::send(CurlRequest request, ClientHandler handler) {
  auto call = std::make_shared<Call>();
  call->id = static_cast<CallId>(next++);
  call->easy = curl_easy_init();
  TIDEGATE_CHECK(call->easy != nullptr);
  call->request = std::move(request);
  call->handler = std::move(handler);
  call->last = loop.now();
  prepare(*call);
  calls.emplace(call->id, call);
  watch_idle(*call);
  curl_multi_add_handle(multi, call->easy);  // starts by its timer, not here
  return call->id;
}

void CurlClient::State::watch_idle(Call& call) {
  if (call.request.idle_timeout.count() == 0) return;
  Instant due = call.last + call.request.idle_timeout;
  call.timer = loop.at(due, [weak = weak_from_this(), id = call.id] {
    auto self = weak.lock();
    if (!self || !self->known(id)) return;
    std::shared_ptr<Call> late = self->calls.at(id);
    late->timer = Loop::TimerId::kNone;
    if (self->loop.now() < late->last + late->request.idle_timeout) return self->watch_idle(*late);
    late->idle = late->done = true;
    self->tell(late);
  });
}

void CurlClient::State::act(curl_socket_t fd, int mask) {
  auto self = shared_from_this();
  int running = 0;
  curl_multi_socket_action(multi, fd, mask, &running);
  deliver();
}

void CurlClient::State::deliver() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Call* call = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
    call->done = true;
    call->result = message->data.result;
    touched.push_back(call->id);
  }
  std::vector<CallId> batch;
  batch.swap(touched);
  for (CallId id : batch) {
    auto it = calls.find(id);
    if (it != calls.end()) tell(std::shared_ptr<Call>(it->second));
  }
}

void CurlClient::State::tell(const std::shared_ptr<Call>& call) {
  auto self = shared_from_this();
  if (call->head_seen && !call->head_told) {
    call->head_told = true;
    if (call->handler.on_head) call->handler.on_head(call->status, call->headers);
    if (!known(call->id)) return;
  }
  if (!call->bytes.empty()) {
    std::string bytes;
    bytes.swap(call->bytes);
    if (call->handler.on_data) call->handler.on_data(bytes);
    if (!known(call->id)) return;
  }
  if (!call->done) return;
  forget(*call);
  calls.erase(call->id);
  if (call->result == CURLE_OK && !call->idle) {
    if (call->handler.on_end) call->handler.on_end();
  } else if (call->handler.on_error) {
    call->handler.on_error(call->error());
  }
}

void CurlClient::State::forget(Call& call) {
  loop.cancel(call.timer);
  curl_multi_remove_handle(multi, call.easy);
  links.erase(call.id);
}

CurlClient::CurlClient(Loop& loop) : state_(std::make_shared<State>(loop)) { state_->open(); }
CurlClient::~CurlClient() = default;

CurlClient::CallId CurlClient::send(CurlRequest request, ClientHandler handler) {
  return state_->send(std::move(request), std::move(handler));
}

CurlClient::CallId CurlClient::fetch(CurlRequest request,
                                     std::function<void(Result<Response>)> done) {
  auto response = std::make_shared<Response>();
  return send(std::move(request),
              {.on_head =
                   [response](int status, const Headers& headers) {
                     response->status = status;
                     response->headers = headers;
                   },
               .on_data = [response](std::string_view bytes) { response->body.append(bytes); },
               .on_end = [response, done] { done(std::move(*response)); },
               .on_error = [done](const ClientError& e) { done(fail(e.message)); }});
}

void CurlClient::cancel(CallId id) {
  auto it = state_->calls.find(id);
  if (it == state_->calls.end()) return;
  std::shared_ptr<Call> call = it->second;
  state_->forget(*call);
  state_->calls.erase(it);
}

std::size_t CurlClient::open_calls() const { return state_->calls.size(); }

}  // namespace tidegate::net
