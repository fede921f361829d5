#include "live/actuate/engine/engine_talk.h"

#include <utility>

#include "core/signal/dialect.h"
#include "core/signal/page.h"
#include "format/exposition_signals.h"

namespace tidegate::live {
namespace {

constexpr std::size_t kMaxWords = 200;  ///< of an engine's own answer, in a problem

std::string problem_of(const std::string& path, const Result<net::Response>& answer) {
  if (!answer) return path + ": " + answer.error().message;
  if (answer->status == 200) return "";
  std::string out = path + " answered " + std::to_string(answer->status);
  if (!answer->body.empty()) out += " (" + answer->body.substr(0, kMaxWords) + ")";
  return out;
}

Result<std::int64_t> requests_on(const std::string& text) {
  const signal::Dialect& dialect = signal::dialect(signal::DialectId::kVllm);
  signal::Page page(dialect);
  format::PageReader(dialect, {}).read(text, format::TextFormat::kPrometheus, page);
  const double requests = page.value(signal::SignalId::kRunningRequests) +
                          page.value(signal::SignalId::kWaitingRequests);
  if (!(requests >= 0)) return fail("/metrics does not say how many requests run and wait");
  return static_cast<std::int64_t>(requests);
}

}  // namespace

EngineTalk::~EngineTalk() { client_.cancel(call_); }

EngineTalk::Ptr EngineTalk::sleep(net::HttpClient& client, const net::Address& address, int level,
                                  Done done) {
  Ptr talk(new EngineTalk(client, address));
  const std::string path = "/sleep?level=" + std::to_string(level);
  talk->say({"POST", path, ""}, kMoveTimeout,
            [path, done = std::move(done)](const Result<net::Response>& answer) {
              std::string problem = problem_of(path, answer);
              if (!problem.empty() && answer) {
                problem +=
                    "; vLLM has its sleep routes with --enable-sleep-mode and "
                    "VLLM_SERVER_DEV_MODE=1 in its environment";
              }
              done(problem);
            });
  return talk;
}

EngineTalk::Ptr EngineTalk::wake(net::HttpClient& client, const net::Address& address, int level,
                                 Done done) {
  Ptr talk(new EngineTalk(client, address));
  std::vector<Step> steps = {{"POST", "/wake_up", ""}};
  if (level >= 2) {
    steps = {{"POST", "/wake_up?tags=weights", ""},
             {"POST", "/collective_rpc", R"({"method":"reload_weights"})"},
             {"POST", "/wake_up?tags=kv_cache", ""},
             {"POST", "/reset_prefix_cache", ""}};
  }
  talk->steps(std::move(steps), std::move(done));
  return talk;
}

EngineTalk::Ptr EngineTalk::ask_whether_asleep(net::HttpClient& client, const net::Address& address,
                                               Duration timeout, Told<bool> told) {
  Ptr talk(new EngineTalk(client, address));
  talk->say({"GET", "/is_sleeping", ""}, timeout,
            [told = std::move(told)](const Result<net::Response>& answer) {
              if (answer && answer->status == 404) return told(false);
              const std::string problem = problem_of("/is_sleeping", answer);
              if (!problem.empty()) return told(fail(problem));
              told(answer->body.find("true") != std::string::npos);
            });
  return talk;
}

EngineTalk::Ptr EngineTalk::ask_requests(net::HttpClient& client, const net::Address& address,
                                         Told<std::int64_t> told) {
  Ptr talk(new EngineTalk(client, address));
  talk->say({"GET", "/metrics", ""}, kAskTimeout,
            [told = std::move(told)](const Result<net::Response>& answer) {
              const std::string problem = problem_of("/metrics", answer);
              told(problem.empty() ? requests_on(answer->body) : fail(problem));
            });
  return talk;
}

void EngineTalk::say(const Step& step, Duration timeout, Answered answered) {
  net::ClientRequest request;
  request.address = address_;
  request.method = step.method;
  request.path = step.path;
  request.body = step.body;
  if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
  request.first_byte_timeout = timeout;
  request.idle_timeout = timeout;
  request.max_response_bytes = kMaxAnswer;
  call_ = client_.fetch(std::move(request),
                        [this, answered = std::move(answered)](Result<net::Response> answer) {
                          call_ = net::HttpClient::CallId::kNone;
                          answered(std::move(answer));
                        });
}

/// One after the other; `done` gets the first problem, or nothing.
void EngineTalk::steps(std::vector<Step> left, Done done) {
  const Step next = left.front();
  left.erase(left.begin());
  say(next, kMoveTimeout,
      [this, path = next.path, left = std::move(left),
       done = std::move(done)](const Result<net::Response>& answer) {
        const std::string problem = problem_of(path, answer);
        if (!problem.empty() || left.empty()) return done(problem);
        steps(left, done);
      });
}

}  // namespace tidegate::live
