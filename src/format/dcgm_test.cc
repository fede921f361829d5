#include "format/dcgm.h"

#include <gtest/gtest.h>

namespace tidegate::format {
namespace {

using signal::GpuReading;

constexpr double kMiB = 1048576;

TEST(Dcgm, APageBecomesItsDevicesWithTheirUnits) {
  const auto gpus = read_dcgm(
      R"(# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",Hostname="node-7",container="vllm",namespace="serve",pod="m-8b-0"} 98
DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-b",device="nvidia1",modelName="NVIDIA H100 80GB HBM3",hostname="node-7"} 0
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",Hostname="node-7",namespace="serve",pod="m-8b-0"} 1000
DCGM_FI_DEV_FB_FREE{gpu="0",UUID="GPU-a",Hostname="node-7",namespace="serve",pod="m-8b-0"} 500
DCGM_FI_DEV_FB_FREE{gpu="1",UUID="GPU-b",hostname="node-7"} 500
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",Hostname="node-7",namespace="serve",pod="m-8b-0"} 612.5
DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-a",Hostname="node-7",namespace="serve",pod="m-8b-0"} 61
DCGM_FI_DEV_XID_ERRORS{gpu="1",UUID="GPU-b",hostname="node-7"} 79
DCGM_FI_DEV_SM_CLOCK{gpu="0",UUID="GPU-c"} 1980
DCGM_FI_DEV_GPU_TEMP{Hostname="node-7"} 5
)",
      TextFormat::kPrometheus);
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0], (GpuReading{.uuid = "GPU-a",
                                 .index = "0",
                                 .host = "node-7",
                                 .product = "NVIDIA H100 80GB HBM3",
                                 .slice = "",
                                 .ns = "serve",
                                 .pod = "m-8b-0",
                                 .container = "vllm",
                                 .used_bytes = 1000 * kMiB,
                                 .total_bytes = 1500 * kMiB,
                                 .busy_ratio = 0.98,
                                 .power_watts = 612.5,
                                 .temp_celsius = 61,
                                 .xid = std::nullopt}));
  EXPECT_EQ(gpus[1].host, "node-7");
  EXPECT_EQ(gpus[1].busy_ratio, 0) << "idle is known";
  EXPECT_EQ(gpus[1].used_bytes, std::nullopt) << "and what is not on the page is not";
  EXPECT_EQ(gpus[1].total_bytes, std::nullopt);
  EXPECT_EQ(gpus[1].xid, 79);
}

TEST(Dcgm, SlicesAndSharersOfOneDeviceAreTheirOwn) {
  const auto gpus = read_dcgm(
      "DCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"GPU-a\",GPU_I_ID=\"1\",GPU_I_PROFILE=\"1g\"} 1\n"
      "DCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"GPU-a\",GPU_I_ID=\"2\",GPU_I_PROFILE=\"1g\"} 2\n"
      "DCGM_FI_DEV_FB_USED{gpu=\"1\",UUID=\"GPU-b\",pod=\"x\",namespace=\"n\"} 3\n"
      "DCGM_FI_DEV_FB_USED{gpu=\"1\",UUID=\"GPU-b\",pod=\"y\",namespace=\"n\"} 3\n"
      "DCGM_FI_DEV_FB_USED{gpu=\"1\",pod_name=\"z\",pod_namespace=\"n\"} NaN\n",
      TextFormat::kPrometheus);
  ASSERT_EQ(gpus.size(), 4U);
  EXPECT_EQ(signal::gpu_id(gpus[0]), "GPU-a/1");
  EXPECT_EQ(signal::gpu_id(gpus[1]), "GPU-a/2");
  EXPECT_EQ(gpus[3].pod, "y");
}

TEST(Dcgm, TakesTheMostDevicesAllowedAndLeavesOutTheNext) {
  std::string page;
  for (std::size_t i = 0; i <= kMaxGpus; ++i) {
    page += "DCGM_FI_DEV_GPU_TEMP{gpu=\"" + std::to_string(i) + "\"} 50\n";
  }
  EXPECT_EQ(read_dcgm(page, TextFormat::kPrometheus).size(), kMaxGpus);
  EXPECT_TRUE(read_dcgm("no page\n", TextFormat::kPrometheus).empty());
}

}  // namespace
}  // namespace tidegate::format
