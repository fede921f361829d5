#pragma once
// SpotNotice: whether EC2 is about to take the very instance we run on. Asked of the instance's
// metadata each kPeriod; told once, with AWS's words.
//
//   SpotNotice notice(metadata, loop, [](const std::string& words) { drain(); });
//
// Where nobody answers (no EC2 instance) that is logged once, and asked again each kPeriod. Wall
// time. Thread-safety: the loop's thread. Source: Amazon EC2 User Guide, "Spot Instance
// interruption notices": two minutes before, best effort.

#include <functional>
#include <string>

#include "live/aws/metadata.h"

namespace tidegate::live::aws {

class SpotNotice {
 public:
  static constexpr Duration kPeriod = seconds(5);
  SpotNotice(net::Loop& loop, net::HttpClient& client, net::Address metadata,
             std::function<void(const std::string& words)> told, Duration period = kPeriod);
  ~SpotNotice() { loop_.cancel(timer_); }
  SpotNotice(const SpotNotice&) = delete;
  SpotNotice& operator=(const SpotNotice&) = delete;

 private:
  void ask();
  net::Loop& loop_;
  Metadata metadata_;
  std::function<void(const std::string&)> told_;
  Duration period_;
  bool silent_ = false;  ///< nobody answered, and that was logged
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
};

}  // namespace tidegate::live::aws
