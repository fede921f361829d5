#pragma once
// Outages: what keeps many followers from one API server is said once, not by each of them.
//
//   Outages::Part part_;                                               // of a follower
//   if (client.outages().join(part_, "pods", error, resource)) log("pods cannot be followed", ...);
//   if (auto all = Outages::leave(part_)) log("pods are followed again", *all);
//
// Who fails as others do already joins them; what the server says to everybody (ApiError::
// of_server) is one outage, what it says of a collection one of that collection. It is over once
// the last has left, or died: the next one is said again. Holds no more than there are parts.
// Thread-safety: the loop's thread.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "live/kube/api.h"

namespace tidegate::live::kube {

class Outages {
 public:
  struct Outage {
    std::size_t joined = 0;
  };
  /// In one outage, or in none (null).
  using Part = std::shared_ptr<Outage>;

  /// True: nobody has said it. `what` cannot be done; who is in an outage already stays in it.
  bool join(Part& part, const std::string& what, const ApiError& error, const Resource& of) {
    if (part != nullptr) return false;
    std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
    auto& known = open_[what + (error.of_server() ? "" : " " + of.path())];
    part = known.lock();
    const bool first = part == nullptr;
    if (first) known = part = std::make_shared<Outage>();
    ++part->joined;
    return first;
  }
  /// How many were in it, where this was the last; else nothing.
  static std::optional<std::size_t> leave(Part& part) {
    const Part mine = std::exchange(part, nullptr);
    if (mine == nullptr || mine.use_count() > 1) return std::nullopt;
    return mine->joined;
  }

 private:
  std::map<std::string, std::weak_ptr<Outage>> open_;
};

}  // namespace tidegate::live::kube
