#pragma once
// Reviews: what the API server is asked about a caller: whose token is this, may he do that. Each
// answer holds for a short while.
//
//   Reviews reviews(client);
//   reviews.whose(token, [](const Verdict<Caller>& who) { ... });
//   reviews.may(caller, asked, [](const Verdict<Allowed>& verdict) { ... });
//
// An answer is told once, at once where it is known; not after the owner's death. Answers, yes and
// no, hold kHold; no answer is kept of a question that failed. Bounds: kMaxKept answers of each
// kind (beyond, all are forgotten and asked for again), kMaxAsking questions at a time (beyond:
// 429). Tokens are kept in memory as keys and nowhere else. Thread-safety: the loop's thread.
// Source: k8s.io/apiserver authentication/token/webhook, authorization/webhook; their hold is 10 s
// too.

#include <functional>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <unordered_map>
#include <utility>

#include "live/external_metrics/documents.h"
#include "live/external_metrics/request.h"
#include "live/external_metrics/trust.h"

namespace tidegate::live::external_metrics {

/// Or why not, ready to be answered.
template <class T>
using Verdict = tl::expected<T, Status>;
struct Allowed {};

/// Answers by question, for a while.
template <class T>
class ShortMemory {
 public:
  explicit ShortMemory(std::size_t limit) : limit_(limit) {}
  const T* find(const std::string& question, Instant now) const {
    auto it = kept_.find(question);
    return it == kept_.end() || it->second.second <= now ? nullptr : &it->second.first;
  }
  void keep(std::string question, T answer, Instant until) {
    if (kept_.size() >= limit_) kept_.clear();
    kept_.insert_or_assign(std::move(question), std::pair(std::move(answer), until));
  }
  std::size_t size() const { return kept_.size(); }

 private:
  std::size_t limit_;
  std::unordered_map<std::string, std::pair<T, Instant>> kept_;
};

class Reviews {
 public:
  static constexpr Duration kHold = seconds(10);
  static constexpr std::size_t kMaxKept = 1024;
  static constexpr std::size_t kMaxAsking = 64;
  static constexpr std::size_t kMaxToken = 16 << 10;

  explicit Reviews(std::shared_ptr<kube::KubeClient> client);
  using Known = std::function<void(const Verdict<Caller>&)>;
  void whose(const std::string& token, Known known);
  using Judged = std::function<void(const Verdict<Allowed>&)>;
  void may(const Caller& caller, const Asked& asked, Judged judged);

 private:
  template <class T>
  struct Question {
    ShortMemory<Verdict<T>>& memory;
    std::string key;
    kube::ApiCall call;
    std::function<Verdict<T>(const nlohmann::json& status)> judge;
  };
  template <class T>
  void ask(Question<T> question, std::function<void(const Verdict<T>&)> told);

  std::shared_ptr<kube::KubeClient> client_;
  ShortMemory<Verdict<Caller>> callers_{kMaxKept};
  ShortMemory<Verdict<Allowed>> allowed_{kMaxKept};
  std::size_t asking_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace tidegate::live::external_metrics
