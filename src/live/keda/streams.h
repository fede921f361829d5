#pragma once
// The streams of the scaler: who listens to which variant, and what each was told last. A part of
// scaler.cc, with gRPC in it: nobody else includes it.
//
// Thread-safety: all of it; gRPC's threads and the publisher's meet here.

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "externalscaler.grpc.pb.h"
#include "live/keda/number_board.h"

namespace tidegate::live::keda {

namespace wire = externalscaler;
using grpc::Status;
using grpc::StatusCode;

inline StatusCode code_of(Missing missing) {
  switch (missing) {
    case Missing::kNothing:
      return StatusCode::OK;
    case Missing::kNotReady:
    case Missing::kNotLeader:
      return StatusCode::UNAVAILABLE;
    case Missing::kNoSuchName:
      return StatusCode::NOT_FOUND;
    case Missing::kWhich:
      return StatusCode::INVALID_ARGUMENT;
    case Missing::kWritesItself:
      return StatusCode::FAILED_PRECONDITION;
  }
  return StatusCode::INTERNAL;
}

inline Status status_of(const Found& found) { return {code_of(found.missing), found.why}; }

/// Whose number is asked for, and from which namespace.
struct Name {
  std::string model, variant, ns;
};

/// Counts that threads share.
struct Tally {
  std::atomic<std::int64_t> streams{0}, pushes{0}, calls{0}, refused{0};
};

class Streams;

/// One StreamIsActive. gRPC calls it on threads of its own, the board's publisher on the loop's:
/// what happens next is decided under the mutex, and done outside of it.
class Stream final : public grpc::ServerWriteReactor<wire::IsActiveResponse> {
 public:
  Stream(const NumberBoard& board, Tally& tally, Name name, Streams& owner)
      : board_(board), tally_(tally), name_(std::move(name)), owner_(owner) {}

  const std::string& model() const { return name_.model; }

  /// Tells what the board says now, where that is news.
  void look() { step(std::nullopt); }
  void end(Status status) { step(std::move(status)); }

  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
    }
    step(ok ? std::nullopt : std::optional(Status(StatusCode::CANCELLED, "the caller has left")));
  }
  void OnCancel() override { end({StatusCode::CANCELLED, "the caller has left"}); }
  void OnDone() override;

 private:
  void step(std::optional<Status> ended) {
    std::unique_lock lock(mutex_);
    if (ended && !end_) end_ = std::move(ended);
    if (writing_ || over_) return;
    if (!end_) {
      const Found found = board_.find(name_.model, name_.variant, name_.ns);
      if (found.missing == Missing::kNotReady) return;  // it will be told
      if (found.missing != Missing::kNothing) {
        end_ = status_of(found);
        ++tally_.refused;
      } else if (const bool active = found.number.replicas > Replicas(0); active != told_) {
        told_ = active;
        response_.set_result(active);
        writing_ = true;
        ++tally_.pushes;
        lock.unlock();
        StartWrite(&response_);
        return;
      } else {
        return;
      }
    }
    over_ = true;
    lock.unlock();
    Finish(*end_);
  }

  const NumberBoard& board_;
  Tally& tally_;
  const Name name_;
  Streams& owner_;
  std::mutex mutex_;  ///< over what follows; response_ is gRPC's while writing_
  bool writing_ = false, over_ = false;
  std::optional<bool> told_;
  std::optional<Status> end_;  ///< set once; untouched after over_
  wire::IsActiveResponse response_;
};

/// Nothing but a refusal.
class Refusal final : public grpc::ServerWriteReactor<wire::IsActiveResponse> {
 public:
  explicit Refusal(const Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

class Streams {
 public:
  Streams(const NumberBoard& board, Tally& tally, std::size_t most)
      : board_(board), tally_(tally), most_(most) {}

  grpc::ServerWriteReactor<wire::IsActiveResponse>* open(Name name) {
    auto stream = std::make_shared<Stream>(board_, tally_, std::move(name), *this);
    {
      std::lock_guard lock(mutex_);
      if (closing_) return refuse({StatusCode::UNAVAILABLE, "Tidegate stops"});
      if (count_ >= most_) {
        return refuse({StatusCode::RESOURCE_EXHAUSTED,
                       fmt::format("{} streams are open, as many as there may be", count_)});
      }
      ++count_;
      ++tally_.streams;
      by_model_[stream->model()].insert(stream);
    }
    stream->look();  // after it can be found: a number published in between is not missed
    return stream.get();
  }

  /// Empty: any. Of NAMESPACE/NAME those too that asked for NAME.
  void changed(const std::string& model) {
    if (model.empty()) return look_at(all());
    look_at(of(model));
    if (const auto slash = model.find('/'); slash != std::string::npos) {
      look_at(of(model.substr(slash + 1)));
    }
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
    }
    for (const auto& stream : all()) stream->end(Status::OK);
  }

  void forget(Stream* gone) {
    std::shared_ptr<Stream> last;  // outlives the lock
    std::lock_guard lock(mutex_);
    auto model = by_model_.find(gone->model());
    for (auto it = model->second.begin(); it != model->second.end(); ++it) {
      if (it->get() != gone) continue;
      last = *it;
      model->second.erase(it);
      break;
    }
    if (model->second.empty()) by_model_.erase(model);
    --count_;
    --tally_.streams;
  }

 private:
  using Set = std::set<std::shared_ptr<Stream>>;

  grpc::ServerWriteReactor<wire::IsActiveResponse>* refuse(const Status& status) {
    ++tally_.refused;
    return new Refusal(status);
  }

  using List = std::vector<std::shared_ptr<Stream>>;

  static void look_at(const List& streams) {
    for (const auto& stream : streams) stream->look();
  }

  List of(const std::string& asked) {
    std::lock_guard lock(mutex_);
    auto found = by_model_.find(asked);
    return found == by_model_.end() ? List() : List(found->second.begin(), found->second.end());
  }

  List all() {
    std::lock_guard lock(mutex_);
    List out;
    for (const auto& [name, streams] : by_model_) {
      out.insert(out.end(), streams.begin(), streams.end());
    }
    return out;
  }

  const NumberBoard& board_;
  Tally& tally_;
  const std::size_t most_;
  std::mutex mutex_;  ///< over what follows
  std::map<std::string, Set> by_model_;
  std::size_t count_ = 0;
  bool closing_ = false;
};

inline void Stream::OnDone() { owner_.forget(this); }  // and this is no more

}  // namespace tidegate::live::keda
