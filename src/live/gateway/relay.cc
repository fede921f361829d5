#include "live/gateway/relay.h"

#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "format/openai.h"
#include "live/gateway/answers.h"
#include "live/gateway/forwarding.h"
#include "live/gateway/lane.h"

namespace tidegate::live {

using route::Outcome;
using CallId = net::HttpClient::CallId;

Relay::Relay(Lane& lane, net::ExchangePtr exchange, Forward forward, Instant arrived)
    : lane_(lane),
      exchange_(std::move(exchange)),
      forward_(std::move(forward)),
      id_(++lane.parts().last_request),
      arrived_(arrived) {
  ended_.streamed = forward_.stream;
}

Instant Relay::now() const { return lane_.parts().clock.now(); }

void Relay::begin(const route::Arrived& arrived) {
  auto self = shared_from_this();
  lane_.add(self);
  exchange_->on_closed([weak = weak_from_this()] {
    if (auto relay = weak.lock()) relay->client_left();
  });
  route::Arrived event = arrived;
  event.id = id_;
  lane_.say(event);
  watch_wait();
}

// ---- what the router says ----

void Relay::dispatch(ReplicaId replica, const net::Address& address) {
  cancel_call();  // a replica that went down held it before
  if (replica_) ++lane_.traffic().retries;
  replica_ = replica;
  bound_ = true;
  bound_at_ = now();
  // Bare `this`: the lane keeps the relay until over(), and over() cancels the call.
  call_ = lane_.parts().client.send(
      {.address = address,
       .method = "POST",
       .path = forward_.path,
       .headers = forward_.headers,
       .shared_body = forward_.body},
      {.on_head = [this](int status, const net::Headers& headers) { on_head(status, headers); },
       .on_data = [this](std::string_view bytes) { on_data(bytes); },
       .on_end = [this] { on_end(); },
       .on_error = [this](const net::ClientError& error) { on_error(error); }});
}

void Relay::cancel_call() {
  bound_ = false;
  if (call_ == CallId::kNone) return;
  lane_.parts().client.cancel(std::exchange(call_, CallId::kNone));
}

void Relay::answer(Outcome outcome, Duration retry_after) {
  auto self = shared_from_this();
  cancel_call();
  if (!exchange_->started()) {
    answer_outcome(*exchange_, outcome, lane_.parts().clock.to_wall(retry_after),
                   forward_.request_id);
  } else if (early_ || sse_) {
    exchange_->write(error_event(outcome_json(outcome)));
    exchange_->finish();
  } else {
    exchange_->abort();
  }
  over(outcome);
}

// ---- what the sockets say ----

void Relay::client_left() {
  if (over_) return;
  auto self = shared_from_this();
  lane_.say(route::Gone{id_});
  over(Outcome::kClientGone);
}

void Relay::on_head(int status, const net::Headers& headers) {
  if (status == 503 || status == 429) {  // full (TGI says 429) or stopping: another may have room
    return failed(true);
  }
  ended_.status = status;
  head_ = to_client(headers, forward_.request_id);
  std::string_view type = headers.get("content-type");
  sse_ = ascii::equal_ignoring_case(type.substr(0, 17), "text/event-stream");
}

/// Not taken, or broken off, before the first byte: the router places it again or gives up.
void Relay::failed(bool busy) {
  auto self = shared_from_this();
  cancel_call();
  lane_.say(route::Failed{id_, 0, static_cast<std::uint8_t>(busy ? 1 : 0)});
  if (!over_ && !bound_) watch_wait();
}

void Relay::on_error(const net::ClientError&) {
  auto self = shared_from_this();
  call_ = CallId::kNone;
  if (!relaying_) return failed(false);
  bound_ = false;
  lane_.say(route::Failed{id_, 1, 0});
}

void Relay::withdraw() {
  cancel_call();
  watch_wait();
}

void Relay::replica_lost() {
  auto self = shared_from_this();
  cancel_call();  // its callbacks know us by a bare pointer
  on_error({});
}

void Relay::begin_relaying() {
  relaying_ = true;
  forward_.body.reset();
  lane_.parts().loop.cancel(std::exchange(wait_timer_, net::Loop::TimerId::kNone));
  lane_.say(route::FirstByte{id_});
  start_response();
}

void Relay::start_response() {
  if (early_) return;
  head_.add(std::string(kOutcomeHeader), std::string(token(Outcome::kCompleted)));
  head_.add(std::string(kReplicaHeader), std::to_string(replica_.value()));
  exchange_->start(ended_.status, head_);
}

void Relay::on_data(std::string_view bytes) {
  auto self = shared_from_this();
  if (bytes.empty()) return;
  last_heard_ = now();
  if (!relaying_) begin_relaying();
  if (over_) return;
  read_usage(bytes);
  if (early_ && !sse_) return;  // an error after an early 200: sent in band at its end
  pass_on(bytes);
}

void Relay::read_usage(std::string_view bytes) {
  if (sse_) {
    scanner_.feed(bytes);
    if (ended_.ttft == Duration(0) && scanner_.seen().content_events > 0) {
      ended_.ttft = now() - arrived_;
    }
    return;
  }
  std::size_t keep = early_ ? kErrorBytes : kTailBytes;
  if (early_) {
    tail_.append(bytes.substr(0, keep - std::min(keep, tail_.size())));
    return;
  }
  if (bytes.size() >= keep) {
    tail_.assign(bytes.substr(bytes.size() - keep));
    return;
  }
  tail_.append(bytes);
  if (tail_.size() > 2 * keep) tail_.erase(0, tail_.size() - keep);
}

void Relay::pass_on(std::string_view bytes) {
  if (exchange_->write(bytes) || call_ == CallId::kNone) return;
  lane_.parts().client.pause(call_);
  exchange_->on_writable([weak = weak_from_this()] {
    auto relay = weak.lock();
    if (relay && relay->call_ != CallId::kNone) relay->lane_.parts().client.resume(relay->call_);
  });
}

void Relay::on_end() {
  auto self = shared_from_this();
  call_ = CallId::kNone;
  if (sse_ && !relaying_) return failed(false);  // a stream without a byte is no answer
  if (sse_ && !scanner_.seen().done && !scanner_.seen().error) {
    bound_ = false;
    return lane_.say(route::Failed{id_, 1, 0});  // ended without [DONE]: broken off
  }
  if (!relaying_) begin_relaying();
  finish_response();
  finished();
}

void Relay::finish_response() {
  if (early_ && !sse_) {
    bool is_error = ended_.status >= 400 && !tail_.empty();
    exchange_->write(error_event(is_error ? tail_ : outcome_json(Outcome::kUpstreamLost)));
  }
  exchange_->finish();
}

void Relay::finished() {
  format::OpenAiUsage usage;
  if (sse_) {
    usage.completion_tokens = scanner_.seen().content_events;
    if (scanner_.seen().usage) usage = *scanner_.seen().usage;
  } else if (ended_.status < 400) {
    usage = format::find_usage(tail_).value_or(usage);
  }
  ended_.prompt_tokens = usage.prompt_tokens;
  ended_.output_tokens = usage.completion_tokens;
  bound_ = false;
  lane_.say(route::Finished{id_, Tokens(usage.prompt_tokens), Tokens(usage.cached_tokens),
                            Tokens(usage.completion_tokens)});
  over(Outcome::kCompleted);
}

// ---- the end ----

void Relay::over(Outcome outcome) {
  if (over_) return;
  over_ = true;
  cancel_call();
  lane_.parts().loop.cancel(std::exchange(wait_timer_, net::Loop::TimerId::kNone));
  ended_.outcome = outcome;
  ended_.bound = bool(replica_);
  ended_.queued = ended_.bound ? bound_at_ - arrived_ : Duration(0);
  ended_.e2e = now() - arrived_;
  lane_.traffic().add(ended_, lane_.model(), now());
  lane_.remove(id_);
}

void Relay::break_off() {
  if (over_) return;
  auto self = shared_from_this();
  lane_.say(route::Gone{id_});
  if (!over_) answer(Outcome::kShuttingDown, Duration(0));
}

void Relay::abandon() {
  cancel_call();
  lane_.parts().loop.cancel(std::exchange(wait_timer_, net::Loop::TimerId::kNone));
  over_ = true;
}

// ---- while it waits ----

/// A stream that waits is told so after a while.
void Relay::watch_wait() {
  if (over_ || bound_ || !forward_.stream || wait_timer_ != net::Loop::TimerId::kNone) return;
  wait_timer_ =
      lane_.parts().loop.after(lane_.parts().options.quiet_wait, [this] { keep_alive(); });
}

void Relay::keep_alive() {
  wait_timer_ = net::Loop::TimerId::kNone;
  std::int64_t position = lane_.host().position(id_);
  if (position < 0 && !early_) return;  // bound: the engine's own status may still come
  if (!early_) {
    early_ = true;
    net::Headers headers;
    headers.add("Content-Type", "text/event-stream; charset=utf-8");
    headers.add("Cache-Control", "no-cache");
    headers.add("X-Accel-Buffering", "no");
    headers.add(std::string(kRequestIdHeader), forward_.request_id);
    exchange_->start(200, headers);
  }
  exchange_->write(position < 0 ? std::string(": started\n\n")
                                : ": queued position=" + std::to_string(position) + "\n\n");
  wait_timer_ =
      lane_.parts().loop.after(lane_.parts().options.keep_alive_every, [this] { keep_alive(); });
}

}  // namespace tidegate::live
