#pragma once
// GpuWatch: the accelerators under the replicas, from this machine's driver and from the pages of
// DCGM exporters.
//
//   GpuWatch gpus(loop, curl, [] { return std::set<std::string>{"http://10.0.0.7:9400/metrics"}; });
//   for (const signal::GpuReading& gpu : gpus.readings()) ...
//
// Shown and exported, never decided by. Promises: each page is asked once a period, at most
// kMaxUnderWay at a time, those after kMaxPages not at all; a page that fails is known for
// kLastsPeriods more, then not; every device once, the exporter's word before the driver's (it
// knows the pods). Wall time. Thread-safety: the loop's thread; the driver is read on another.

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/signal/gpu.h"
#include "live/net/curl/curl_client.h"
#include "live/net/loop.h"
#include "live/sense/nvml.h"

namespace tidegate::live {

struct GpuWatchOptions {
  Duration period = seconds(10);
  Duration time_box = seconds(5);  ///< of one page
  std::string driver = Nvml::kLibrary;
};

class GpuWatch {
 public:
  static constexpr std::size_t kMaxPages = 1024;
  static constexpr std::size_t kMaxUnderWay = 32;
  static constexpr std::size_t kMaxPageBytes = 4u << 20;
  static constexpr int kLastsPeriods = 3;
  /// The pages there are now: asked at the start of each round.
  using Pages = std::function<std::set<std::string>()>;

  GpuWatch(net::Loop& loop, net::CurlClient& client, Pages pages, GpuWatchOptions options = {});
  ~GpuWatch();
  GpuWatch(const GpuWatch&) = delete;
  GpuWatch& operator=(const GpuWatch&) = delete;

  std::vector<signal::GpuReading> readings() const;
  /// Pages that could not be read the last time, with the reason.
  std::map<std::string, std::string> troubles() const;

 private:
  struct Page {
    std::vector<signal::GpuReading> gpus;
    int failures = 0;
    std::string trouble;
    net::CurlClient::CallId call = net::CurlClient::CallId::kNone;
  };
  void round();
  void pump();
  void ask(const std::string& url);
  void finished(const std::string& url, const Result<net::Response>& response);

  net::Loop& loop_;
  net::CurlClient& client_;
  Pages pages_of_;
  GpuWatchOptions options_;
  std::map<std::string, Page> pages_;
  std::deque<std::string> waiting_;  ///< of this round
  std::size_t under_way_ = 0;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
  NvmlSampler driver_;
};

}  // namespace tidegate::live
