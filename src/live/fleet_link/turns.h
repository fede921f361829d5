#pragma once
// Turns: one message read and one written at a time, from the loop's thread and from gRPC's, until
// the stream is over. A part of client_stream.h and server_stream.h: nobody else includes it.
//
// An operation is begun under the mutex, and none once it is over: it would reach into what gRPC
// has let go of. gRPC never calls back from inside. Thread-safety: any thread.

#include <mutex>
#include <utility>

namespace tidegate::live::link {

template <class Reactor, class In, class Out>
class Turns : public Reactor {
 public:
  /// The next message may come.
  void next() {
    std::lock_guard lock(mutex_);
    if (!over_) this->StartRead(&in_);
  }
  /// False: over, or the last one is still on its way.
  bool send(Out message) {
    std::lock_guard lock(mutex_);
    if (over_ || writing_) return false;
    writing_ = true;
    out_ = std::move(message);
    this->StartWrite(&out_);
    return true;
  }

 protected:
  void written() {
    std::lock_guard lock(mutex_);
    writing_ = false;
  }
  /// Nothing is begun from now on; true for the first who says so.
  bool let_go() {
    std::lock_guard lock(mutex_);
    return !std::exchange(over_, true);
  }

  In in_;  ///< gRPC's between next() and OnReadDone

 private:
  std::mutex mutex_;  ///< over what follows; out_ is gRPC's while writing_
  bool writing_ = false, over_ = false;
  Out out_;
};

}  // namespace tidegate::live::link
