#include "live/sense/gpu_watch.h"

#include <algorithm>
#include <utility>

#include "format/dcgm.h"
#include "live/net/log.h"

namespace tidegate::live {
namespace {

constexpr int kOk = 200;

/// An error of the driver is news once, not each round.
bool is_news(const std::optional<double>& before, const std::optional<double>& now) {
  return now && *now != 0 && (!before || *before != *now);
}

/// What the exporter does not tell of a device of this machine, its driver may.
void complete(signal::GpuReading& gpu, const signal::GpuReading& driver) {
  auto take = [&](auto signal::GpuReading::*member) {
    if (!(gpu.*member)) gpu.*member = driver.*member;
  };
  take(&signal::GpuReading::used_bytes);
  take(&signal::GpuReading::total_bytes);
  take(&signal::GpuReading::busy_ratio);
  take(&signal::GpuReading::power_watts);
  take(&signal::GpuReading::temp_celsius);
  if (gpu.product.empty()) gpu.product = driver.product;
}

}  // namespace

GpuWatch::GpuWatch(net::Loop& loop, net::CurlClient& client, Pages pages, GpuWatchOptions options)
    : loop_(loop),
      client_(client),
      pages_of_(std::move(pages)),
      options_(std::move(options)),
      driver_(options_.period, options_.driver) {
  timer_ = loop_.after(Duration(0), [this] { round(); });
}

GpuWatch::~GpuWatch() {
  loop_.cancel(timer_);
  for (auto& [url, page] : pages_) client_.cancel(page.call);
}

void GpuWatch::round() {
  timer_ = loop_.after(options_.period, [this] { round(); });
  const std::set<std::string> wanted = pages_of_();
  for (auto it = pages_.begin(); it != pages_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    if (it->second.call != net::CurlClient::CallId::kNone) {
      client_.cancel(it->second.call);
      --under_way_;
    }
    it = pages_.erase(it);
  }
  waiting_.clear();
  for (const std::string& url : wanted) {
    if (pages_.size() == kMaxPages && !pages_.contains(url)) continue;
    if (pages_[url].call == net::CurlClient::CallId::kNone) waiting_.push_back(url);
  }
  pump();
}

void GpuWatch::pump() {
  while (!waiting_.empty() && under_way_ < kMaxUnderWay) {
    const std::string url = std::move(waiting_.front());
    waiting_.pop_front();
    if (pages_.contains(url)) ask(url);
  }
}

void GpuWatch::ask(const std::string& url) {
  net::CurlRequest request{.url = url};
  request.headers.add("Accept", "text/plain;version=0.0.4");
  request.connect_timeout = request.total_timeout = options_.time_box;
  request.max_response_bytes = kMaxPageBytes;
  ++under_way_;
  pages_[url].call = client_.fetch(
      std::move(request),
      [this, url](const Result<net::Response>& response) { finished(url, response); });
}

void GpuWatch::finished(const std::string& url, const Result<net::Response>& response) {
  --under_way_;
  Page& page = pages_.at(url);
  page.call = net::CurlClient::CallId::kNone;
  std::vector<signal::GpuReading> gpus;
  std::string trouble;
  if (!response) {
    trouble = response.error().message;
  } else if (response->status != kOk) {
    trouble = "HTTP " + std::to_string(response->status) + " instead of a metrics page";
  } else {
    gpus = format::read_dcgm(response->body,
                             format::text_format(response->headers.get("Content-Type")));
    if (gpus.empty()) trouble = "no DCGM metrics on the page";
  }
  if (trouble.empty()) {
    for (const signal::GpuReading& gpu : gpus) {
      auto before = std::find_if(page.gpus.begin(), page.gpus.end(), [&](const auto& known) {
        return signal::gpu_id(known) == signal::gpu_id(gpu);
      });
      if (!is_news(before == page.gpus.end() ? std::nullopt : before->xid, gpu.xid)) continue;
      net::log(net::Level::kWarn, "a GPU's driver reports an error",
               {{"gpu", signal::gpu_id(gpu)},
                {"host", gpu.host},
                {"pod", gpu.pod},
                {"xid", std::to_string(static_cast<int>(*gpu.xid))}});
    }
    page.gpus = std::move(gpus);
    page.failures = 0;
  } else {
    if (++page.failures == 1) {
      net::log(net::Level::kWarn, "a page of GPUs cannot be read",
               {{"url", url}, {"why", trouble}});
    }
    if (page.failures > kLastsPeriods) page.gpus.clear();
  }
  page.trouble = std::move(trouble);
  pump();
}

std::vector<signal::GpuReading> GpuWatch::readings() const {
  std::vector<signal::GpuReading> out;
  std::set<std::string> known;
  for (const auto& [url, page] : pages_) {
    for (const signal::GpuReading& gpu : page.gpus) {
      // Two that share a device are two readings of one page; a second page repeats the first.
      if (!known.contains(signal::gpu_id(gpu))) out.push_back(gpu);
    }
    for (const signal::GpuReading& gpu : page.gpus) known.insert(signal::gpu_id(gpu));
  }
  for (signal::GpuReading& gpu : driver_.latest()) {
    if (known.contains(signal::gpu_id(gpu))) {
      for (signal::GpuReading& told : out) {
        if (signal::gpu_id(told) == signal::gpu_id(gpu)) complete(told, gpu);
      }
    } else {
      out.push_back(std::move(gpu));
    }
  }
  return out;
}

std::map<std::string, std::string> GpuWatch::troubles() const {
  std::map<std::string, std::string> out;
  for (const auto& [url, page] : pages_) {
    if (!page.trouble.empty()) out.emplace(url, page.trouble);
  }
  return out;
}

}  // namespace tidegate::live
