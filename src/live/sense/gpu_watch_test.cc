#include "live/sense/gpu_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "live/net/http_server.h"

namespace tidegate::live {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Duration kLimit = seconds(20);
constexpr const char* kNoDriver = "libthere-is-no-such-library.so.1";
constexpr double kGiB = 1024.0 * 1024 * 1024;

TEST(Nvml, ReadsWhatEachDeviceTellsAndLeavesOutTheRest) {
  auto nvml = Nvml::open(TIDEGATE_FAKE_NVML);
  ASSERT_TRUE(nvml) << nvml.error().message;
  EXPECT_EQ((*nvml)->count(), 3U);
  const auto gpus = (*nvml)->read();
  ASSERT_EQ(gpus.size(), 2U) << "one cannot be reached";
  EXPECT_EQ(gpus[0], (signal::GpuReading{.uuid = "GPU-zero",
                                         .index = "0",
                                         .host = "",
                                         .product = "NVIDIA Fake",
                                         .slice = "",
                                         .ns = "",
                                         .pod = "",
                                         .container = "",
                                         .used_bytes = 20 * kGiB,
                                         .total_bytes = 80 * kGiB,
                                         .busy_ratio = 0.75,
                                         .power_watts = 300.5,
                                         .temp_celsius = 55,
                                         .xid = std::nullopt}));
  EXPECT_EQ(gpus[1].index, "2");
  EXPECT_EQ(gpus[1].uuid, "GPU-two");
  EXPECT_EQ(gpus[1].used_bytes, std::nullopt) << "unknown is not zero";
}

TEST(Nvml, WhatCannotBeOpenedSaysWhy) {
  auto none = Nvml::open(kNoDriver);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr(kNoDriver));
  auto other = Nvml::open("libc.so.6");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("is it NVIDIA's?"));
  setenv("FAKE_NVML_BROKEN", "1", 1);
  auto broken = Nvml::open(TIDEGATE_FAKE_NVML);
  unsetenv("FAKE_NVML_BROKEN");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("Driver Not Loaded"));
}

class GpuWatchTest : public testing::Test {
 protected:
  std::map<std::string, std::string> served;  ///< by path; others get 404
  std::unique_ptr<net::Loop> loop = net::Loop::create().value();
  net::HttpServer server{*loop, {}, [this](net::ExchangePtr x) {
                           const std::string path = x->request().path;
                           auto it = served.find(path);
                           x->respond(it == served.end() ? 404 : 200, {},
                                      it == served.end() ? "" : it->second);
                         }};
  net::Address address = server.listen({"127.0.0.1", 0}).value();
  net::CurlClient client{*loop};
  std::set<std::string> pages;
  std::unique_ptr<GpuWatch> watch;

  std::string url(const std::string& path) { return "http://" + address.text() + path; }
  void start(const char* driver) {
    watch = std::make_unique<GpuWatch>(
        *loop, client, [this] { return pages; },
        GpuWatchOptions{.period = millis(20), .time_box = kLimit, .driver = driver});
  }
  bool until(const std::function<bool()>& done) { return loop->run_until(done, kLimit); }
  std::vector<std::string> ids() {
    std::vector<std::string> out;
    for (const auto& gpu : watch->readings()) out.push_back(gpu.pod + ":" + signal::gpu_id(gpu));
    return out;
  }
};

TEST_F(GpuWatchTest, PagesAndTheDriverAreOneListWithEachDeviceOnce) {
  served["/a"] =
      "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-zero\",pod=\"x\"} 5\n"
      "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-zero\",pod=\"y\"} 5\n";
  served["/b"] =
      "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-zero\",pod=\"x\"} 5\n"
      "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-b\",pod=\"z\"} 5\n";
  pages = {url("/a"), url("/b")};
  start(TIDEGATE_FAKE_NVML);
  const std::vector<std::string> all = {"x:GPU-zero", "y:GPU-zero", "z:GPU-b", ":GPU-two"};
  ASSERT_TRUE(until([&] { return ids() == all; }));
  const auto first = watch->readings().front();
  EXPECT_EQ(first.busy_ratio, 0.05) << "the exporter's word";
  EXPECT_EQ(first.used_bytes, 20 * kGiB) << "and the driver's where it says nothing";
  EXPECT_EQ(first.product, "NVIDIA Fake");
  EXPECT_THAT(watch->troubles(), IsEmpty());
}

TEST_F(GpuWatchTest, APageThatFailsLastsAWhileAndOneThatIsNotWantedAnyMoreIsForgotten) {
  served["/a"] = "DCGM_FI_DEV_GPU_UTIL{UUID=\"GPU-a\"} 5\n";
  served["/b"] = "DCGM_FI_DEV_GPU_UTIL{UUID=\"GPU-b\"} 5\n";
  pages = {url("/a"), url("/b"), url("/none")};
  start(kNoDriver);
  ASSERT_TRUE(until([&] { return ids().size() == 2; }));
  served["/a"] = "something else\n";
  ASSERT_TRUE(until([&] { return watch->troubles().size() == 2; }));
  EXPECT_THAT(watch->troubles()[url("/none")], HasSubstr("HTTP 404"));
  EXPECT_THAT(watch->troubles()[url("/a")], HasSubstr("no DCGM metrics"));
  ASSERT_TRUE(until([&] { return ids() == std::vector<std::string>{":GPU-b"}; }));
  pages = {};
  ASSERT_TRUE(until([&] { return ids().empty() && watch->troubles().empty(); }));
}

}  // namespace
}  // namespace tidegate::live
