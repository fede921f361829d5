#pragma once
// Serving: core/engine in world time on a Loop, and the answers being written from it.
//
//   auto serving = std::make_shared<Serving>(loop, clock, options);
//   serving->start(exchange, std::move(plan), style);       // streams or answers whole, later
//
// Every accepted request ends in exactly one way: its last token, an abort (its client left, or
// abort_all), or the model's refusal. A client that reads slowly holds no text here: tokens are
// words by number, rendered when the socket has room. Thread-safety: the loop's thread.

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/engine/engine.h"
#include "live/emulator/metrics.h"
#include "live/emulator/options.h"
#include "live/emulator/pacer.h"
#include "live/emulator/reply.h"
#include "live/emulator/request_plan.h"
#include "live/net/clock.h"
#include "live/net/http_server.h"
#include "live/net/loop.h"

namespace tidegate::live {

class Serving : public std::enable_shared_from_this<Serving> {
 public:
  Serving(net::Loop& loop, const net::WorldClock& clock, const EmulatorOptions& options);
  ~Serving();

  void start(net::ExchangePtr exchange, RequestPlan plan, Reply::Style style, std::int64_t priority,
             std::string_view handler);
  /// Sequences in the engine, waiting and running.
  std::size_t sequences() const { return by_id_.size(); }
  /// Answers not yet written to their end.
  std::size_t answers() const { return answers_.size(); }
  enum class AbortStyle : std::uint8_t {
    kBreak,   ///< the connection ends in the middle
    kFinish,  ///< with what there is and finish_reason "abort"
  };
  void abort_all(AbortStyle style);
  /// Calls back once, soon, when no answer is left (now, if so).
  void when_idle(std::function<void()> callback);
  /// From now on no step ends.
  void hang();
  /// Drops KV and prefix cache; nothing may be running.
  void reset_cache() { engine_.reset_cache(); }
  /// Up to date as of now.
  engine::Stats stats();
  EngineMetrics& metrics() { return metrics_; }
  std::int64_t max_model_len() const { return max_model_len_; }

 private:
  struct Choice;
  struct Answer;
  using AnswerPtr = std::shared_ptr<Answer>;

  void pump();
  void advance(Instant now);
  void deliver(const engine::EngineEvent& event);
  void on_finished(Answer& answer, Choice& choice, Instant at);
  void on_rejected(Answer& answer, Choice& choice);
  void see_tokens(Choice& choice, std::int64_t visible, Instant at);
  void flush_streams(Instant now);
  void render(Answer& answer);
  void complete(const AnswerPtr& answer);
  void client_left(const AnswerPtr& answer);
  bool holds(const AnswerPtr& answer) const;
  void drop_sequences(Answer& answer);
  void remove(Answer& answer);
  void arm();
  Duration least_step(const engine::Stats& stats) const;

  net::Loop& loop_;
  const net::WorldClock& clock_;
  engine::Profile profile_;
  double step_factor_;
  std::int64_t max_model_len_;
  engine::Engine engine_;
  EngineMetrics metrics_;
  Pacer pacer_;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  struct Place {
    AnswerPtr answer;
    std::size_t choice = 0;
  };
  std::unordered_map<RequestId, Place> by_id_;
  std::vector<AnswerPtr> answers_;
  std::vector<AnswerPtr> complete_;  // ended in this look, to be written to their end
  std::vector<engine::EngineEvent> events_;
  std::vector<std::function<void()>> on_idle_;
  std::uint64_t next_id_ = 1;
  std::int64_t streams_ = 0;  // answers that stream
  std::int64_t steps_seen_ = 0, tokens_seen_ = 0;
  bool hung_ = false;
  bool dirty_ = false;  // tokens may exist that streams have not written
  bool pumping_ = false;
};

}  // namespace tidegate::live
