#include "live/emulator/serving.h"

#include <algorithm>

namespace tidegate::live {
namespace {

engine::Profile with_length(engine::Profile profile, const EmulatorOptions& options) {
  profile.max_model_len = options.max_model_len.value_or(profile.max_model_len);
  return profile;
}

engine::Options engine_options(const EmulatorOptions& options) {
  engine::Options out;
  out.profile = with_length(options.profile, options);
  out.max_num_seqs = options.max_num_seqs.value_or(options.profile.max_num_seqs);
  out.max_num_batched_tokens =
      options.max_num_batched_tokens.value_or(options.profile.max_num_batched_tokens);
  out.data_parallel_size = options.data_parallel_size;
  out.max_loras = options.enable_lora ? options.max_loras : 0;
  out.prefix_block_tokens = format::kPrefixBlockTokens;
  out.prefix_caching = options.prefix_caching ? 1 : 0;
  out.priority_scheduling = options.priority_scheduling ? 1 : 0;
  out.step_factor = options.faults.slow;
  return out;
}

EngineMetrics::Options metrics_options(const EmulatorOptions& options) {
  const engine::Profile& p = options.profile;
  return {.model_name = options.served_names.front(),
          .max_model_len = options.max_model_len.value_or(p.max_model_len),
          .block_size = p.block_size,
          .num_gpu_blocks = p.kv_tokens / p.block_size,
          .prefix_caching = options.prefix_caching,
          .lora = options.enable_lora,
          .max_loras = options.max_loras,
          .created = net::WorldClock::wall_now()};
}

}  // namespace

struct Serving::Choice {
  RequestId id;
  ReplyChoice reply;
  std::int64_t prompt = 0, cached = 0;
  std::int64_t visible = 0;  // tokens that exist
  std::int64_t sent = 0;     // tokens written
  Instant arrived, began, first, seen;
  bool scheduled = false, role_sent = false, ended = false;
};

struct Serving::Answer {
  Answer(net::ExchangePtr x, Reply::Style style)
      : exchange(std::move(x)), reply(std::move(style)) {}
  net::ExchangePtr exchange;
  Reply reply;
  std::vector<Choice> choices;
  std::int64_t max_tokens = 0;
  std::string handler;
  std::size_t slot = 0;     // in answers_
  std::size_t running = 0;  // choices not ended
  bool blocked = false;     // the socket is full
  bool refused = false;     // the model took it not: answered already

  ReplyUsage usage() const {
    ReplyUsage sum;
    for (const Choice& c : choices) {
      sum.prompt += c.prompt;
      sum.completion += reply.style().stream ? c.sent : c.visible;
      sum.cached += c.cached;
    }
    return sum;
  }
};

Serving::Serving(net::Loop& loop, const net::WorldClock& clock, const EmulatorOptions& options)
    : loop_(loop),
      clock_(clock),
      profile_(with_length(options.profile, options)),
      step_factor_(options.faults.slow),
      max_model_len_(profile_.max_model_len),
      engine_(engine_options(options)),
      metrics_(metrics_options(options)) {}

Serving::~Serving() { loop_.cancel(timer_); }

void Serving::start(net::ExchangePtr exchange, RequestPlan plan, Reply::Style style,
                    std::int64_t priority, std::string_view handler) {
  Instant now = clock_.now();
  advance(now);
  auto answer = std::make_shared<Answer>(std::move(exchange), std::move(style));
  answer->max_tokens = plan.max_tokens;
  answer->handler = handler;
  answer->slot = answers_.size();
  answer->running = plan.choices.size();
  answers_.push_back(answer);
  if (answer->reply.style().stream) ++streams_;
  for (std::size_t i = 0; i < plan.choices.size(); ++i) {
    PlannedChoice& planned = plan.choices[i];
    Choice choice;
    choice.id = RequestId(next_id_++);
    choice.reply = {static_cast<int>(i), planned.text_seed, planned.output.value(), planned.reason};
    choice.prompt = planned.prompt.value();
    choice.arrived = now;
    by_id_.emplace(choice.id, Place{answer, i});
    engine_.submit({.id = choice.id,
                    .prompt = planned.prompt,
                    .output = planned.output,
                    .priority = priority,
                    .adapter = plan.adapter,
                    .prefix = std::move(planned.prefix)},
                   now);
    answer->choices.push_back(choice);
  }
  std::weak_ptr<Serving> self = weak_from_this();
  std::weak_ptr<Answer> weak = answer;
  answer->exchange->on_closed([self, weak] {
    auto serving = self.lock();
    auto gone = weak.lock();
    if (serving && gone) serving->client_left(gone);
  });
  answer->exchange->on_writable([self, weak] {
    auto serving = self.lock();
    auto ready = weak.lock();
    if (!serving || !ready) return;
    ready->blocked = false;
    serving->dirty_ = true;
    serving->pump();
  });
  if (answer->reply.style().stream) {
    metrics_.on_http(answer->handler, "POST", 200);
    net::Headers headers;
    headers.add("Content-Type", "text/event-stream; charset=utf-8");
    headers.add("Cache-Control", "no-cache");
    headers.add("X-Accel-Buffering", "no");
    answer->exchange->start(200, headers);
  }
  arm();
}

void Serving::pump() {
  // Finishing an answer may bring the next request of its connection into start().
  if (pumping_) return;
  pumping_ = true;
  Instant now = clock_.now();
  advance(now);
  if (dirty_) flush_streams(now);
  dirty_ = false;
  while (!complete_.empty()) {
    AnswerPtr answer = std::move(complete_.back());
    complete_.pop_back();
    complete(answer);
  }
  pumping_ = false;
  arm();
}

void Serving::advance(Instant now) {
  Instant mono = net::WorldClock::mono_now();
  if (hung_) return;
  events_.clear();
  engine_.advance(now, events_);
  for (const auto& event : events_) deliver(event);
  engine::Stats stats = engine_.stats();
  if (stats.steps_total == steps_seen_) return pacer_.looked(mono);
  std::int64_t tokens = stats.prompt_tokens_total + stats.generation_tokens_total;
  metrics_.on_steps(stats.steps_total - steps_seen_, tokens - tokens_seen_);
  steps_seen_ = stats.steps_total;
  dirty_ = streams_ > 0;
  tokens_seen_ = tokens;
  pacer_.stepped(mono, clock_.to_wall(least_step(stats)));
}

/// No step is shorter than one that only decodes what runs now, less what ends meanwhile: of that,
/// nothing is known, so the host's part alone and one sequence.
Duration Serving::least_step(const engine::Stats& stats) const {
  std::int64_t decoding = stats.running > 0 ? 1 : 0;
  __int128 femtos = engine::step_femtos(profile_, 0, decoding, 0, 0);
  return seconds_f(static_cast<double>(femtos) * 1e-15 * step_factor_);
}

void Serving::deliver(const engine::EngineEvent& event) {
  auto found = by_id_.find(event.id);
  if (found == by_id_.end()) return;
  AnswerPtr answer = found->second.answer;
  Choice& choice = answer->choices[found->second.choice];
  switch (event.kind) {
    case engine::EventKind::kScheduled:
      if (choice.scheduled) return;  // again, after a preemption
      choice.scheduled = true;
      choice.began = event.began;
      choice.cached = event.cached_tokens;
      return;
    case engine::EventKind::kFirstToken:
      choice.first = choice.seen = event.at;
      choice.visible = 1;
      metrics_.on_first_token(event.at - choice.arrived);
      return;
    case engine::EventKind::kFinished:
      on_finished(*answer, choice, event.at);
      break;
    case engine::EventKind::kRejected:
      on_rejected(*answer, choice);
      break;
  }
  by_id_.erase(found);
  if (--answer->running == 0) complete_.push_back(answer);
}

void Serving::on_finished(Answer& answer, Choice& choice, Instant at) {
  see_tokens(choice, choice.reply.tokens, at);
  choice.ended = true;
  metrics_.on_finished({.queued = choice.began - choice.arrived,
                        .prefill = choice.first - choice.began,
                        .decode = at - choice.first,
                        .prompt_tokens = choice.prompt,
                        .cached_tokens = choice.cached,
                        .output_tokens = choice.reply.tokens,
                        .max_tokens = answer.max_tokens,
                        .reason = choice.reply.reason});
}

void Serving::on_rejected(Answer& answer, Choice& choice) {
  choice.ended = true;
  answer.refused = true;
  metrics_.on_ended_early(FinishReason::kError);
}

/// Tokens up to `visible` exist at `at`.
void Serving::see_tokens(Choice& choice, std::int64_t visible, Instant at) {
  std::int64_t fresh = visible - choice.visible;
  if (fresh <= 0) return;
  metrics_.on_tokens(at - choice.seen, fresh);
  choice.visible = visible;
  choice.seen = at;
}

void Serving::flush_streams(Instant now) {
  for (std::size_t i = answers_.size(); i-- > 0;) {
    AnswerPtr answer = answers_[i];
    if (!answer->reply.style().stream || answer->blocked || answer->refused) continue;
    for (Choice& choice : answer->choices) {
      if (!choice.ended && choice.visible > 0)
        see_tokens(choice, engine_.generated(choice.id), now);
    }
    render(*answer);
  }
}

/// Writes every token that exists and was not written.
void Serving::render(Answer& answer) {
  if (answer.exchange->closed()) return;
  std::string out;
  for (Choice& choice : answer.choices) {
    if (choice.visible == 0) continue;
    if (!choice.role_sent && answer.reply.style().chat) {
      answer.reply.append_role(out, choice.reply.index, answer.usage());
    }
    choice.role_sent = true;
    while (choice.sent < choice.visible) {
      std::int64_t position = choice.sent++;
      auto where = choice.ended && choice.sent == choice.visible ? Reply::Position::kLast
                                                                 : Reply::Position::kMiddle;
      answer.reply.append_token(out, choice.reply, position, where, answer.usage());
    }
  }
  if (!out.empty() && !answer.exchange->write(out)) answer.blocked = true;
}

/// All choices have ended: what is left of the text, then the end of the answer.
void Serving::complete(const AnswerPtr& answer) {
  if (!holds(answer)) return;  // its client left
  const Reply& reply = answer->reply;
  remove(*answer);
  std::string refusal = Refusal{.message = "The request does not fit the KV cache."}.json();
  if (reply.style().stream) {
    std::string out;
    if (answer->refused) {
      out = "data: " + refusal + "\n\n";
    } else {
      render(*answer);
      for (const Choice& choice : answer->choices) {
        if (choice.reply.reason == FinishReason::kAbort)
          reply.append_end(out, choice.reply, answer->usage());
      }
      if (reply.style().include_usage) reply.append_usage(out, answer->usage());
    }
    Reply::append_done(out);
    answer->exchange->write(out);
    answer->exchange->finish();
    return;
  }
  std::vector<ReplyChoice> choices;
  for (const Choice& choice : answer->choices) {
    choices.push_back(choice.reply);
    choices.back().tokens = choice.visible;
  }
  int status = answer->refused ? 400 : 200;
  metrics_.on_http(answer->handler, "POST", status);
  net::Headers headers;
  headers.add("Content-Type", "application/json");
  answer->exchange->respond(status, headers,
                            answer->refused ? refusal : reply.whole(choices, answer->usage()));
}

bool Serving::holds(const AnswerPtr& answer) const {
  return answer->slot < answers_.size() && answers_[answer->slot] == answer;
}

void Serving::client_left(const AnswerPtr& answer) {
  if (!holds(answer)) return;
  drop_sequences(*answer);
  remove(*answer);
  arm();
}

/// Takes what still runs of it out of the engine.
void Serving::drop_sequences(Answer& answer) {
  Instant now = clock_.now();
  for (Choice& choice : answer.choices) {
    if (choice.ended || by_id_.erase(choice.id) == 0) continue;
    if (choice.visible > 0) see_tokens(choice, engine_.generated(choice.id), now);
    engine_.abort(choice.id, now);
    choice.ended = true;
    choice.reply.reason = FinishReason::kAbort;
    metrics_.on_ended_early(FinishReason::kAbort);
  }
  answer.running = 0;
}

void Serving::remove(Answer& answer) {
  if (answer.reply.style().stream) --streams_;
  std::size_t slot = answer.slot;
  answers_[slot] = answers_.back();
  answers_[slot]->slot = slot;
  answers_.pop_back();
  if (!answers_.empty()) return;
  for (auto& callback : on_idle_) loop_.defer(std::move(callback));
  on_idle_.clear();
}

void Serving::abort_all(AbortStyle style) {
  advance(clock_.now());
  while (!answers_.empty()) {
    AnswerPtr answer = answers_.back();
    drop_sequences(*answer);
    if (style == AbortStyle::kFinish) {
      complete(answer);
      continue;
    }
    remove(*answer);
    answer->exchange->abort();
  }
  complete_.clear();
  arm();
}

void Serving::when_idle(std::function<void()> callback) {
  if (answers_.empty()) {
    loop_.defer(std::move(callback));
  } else {
    on_idle_.push_back(std::move(callback));
  }
}

void Serving::hang() {
  hung_ = true;
  loop_.cancel(timer_);
  timer_ = net::Loop::TimerId::kNone;
}

engine::Stats Serving::stats() {
  pump();
  return engine_.stats();
}

void Serving::arm() {
  loop_.cancel(timer_);
  timer_ = net::Loop::TimerId::kNone;
  if (hung_ || pumping_) return;
  Instant next = engine_.next_event();
  Instant mono = net::WorldClock::mono_now();
  Instant event_at =
      next.is_never() ? next : mono + std::max(Duration(0), clock_.to_wall(next - clock_.now()));
  Instant wake = pacer_.next(mono, event_at, streams_ > 0 ? Streams::kSome : Streams::kNone);
  if (dirty_ || !complete_.empty()) wake = mono;  // advanced outside pump(): write it now
  if (wake.is_never()) return;
  timer_ = loop_.at(wake, [self = weak_from_this()] {
    if (auto serving = self.lock()) {
      serving->timer_ = net::Loop::TimerId::kNone;
      serving->pump();
    }
  });
}

}  // namespace tidegate::live
