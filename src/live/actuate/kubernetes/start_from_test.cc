// What a start found: no node, a node without the weights, one that has them.
#include <algorithm>

#include "live/actuate/kubernetes/test_site.h"

namespace tidegate::live {
namespace {

using control::ReplicaState;
using control::StartFrom;

class StartFromTest : public ::testing::Test {
 protected:
  TestDirectory directory;
  TestWorld world{directory.path()};
  Site site{world};
};

TEST_F(StartFromTest, is_known_by_the_pod_and_its_node) {
  ONLY_IN_THIS_PROCESS(site.given);
  const std::string label = "weights.tidegate.dev/Qwen--Qwen3-32B";
  struct Case {
    const char* means;
    std::string asked, on_node;  ///< labels; empty: none
    std::int64_t gpus;           ///< when it is ordered
    const char* forbidden;
    StartFrom from;
    int looks;
  };
  const Case cases[] = {
      {"nobody keeps weights: nodes are none of our business", "", label, 9, "", StartFrom::kCold,
       0},
      {"they are there", label, label, 9, "", StartFrom::kCachedWeights, 1},
      {"others are", label, "weights.tidegate.dev/other", 9, "", StartFrom::kCold, 1},
      {"no node took it at first", label, label, 0, "", StartFrom::kNoNode, 0},
      {"nodes may not be read", label, label, 9, "get nodes", StartFrom::kCold, 1},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.means);
    site.weights_label = c.asked;
    site.server.put("v1", "nodes",
                    {{"metadata", {{"name", "node-1"}, {"labels", {{c.on_node, "ready"}}}}}});
    site.server.forbid = {c.forbidden};
    site.cluster.set_gpus(c.gpus);
    site.cluster.hold_start = true;
    auto actuator = site.make();
    actuator->adopt();
    actuator->apply({"h100", Replicas(1), {}});
    auto looks = [&] {
      return std::count(site.server.requests.begin(), site.server.requests.end(),
                        "GET /api/v1/nodes/node-1");
    };
    if (c.gpus == 0) {
      ASSERT_TRUE(world.until([&] {
        const auto all = actuator->replicas();
        return all.size() == 1 && !all[0].detail.empty();
      })) << "the scheduler's words";
      site.cluster.set_gpus(9);
    }
    ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kStarting) == 1; }));
    ASSERT_TRUE(world.until([&] { return looks() == c.looks; }));
    world.settle();
    site.cluster.hold_start = false;
    site.cluster.go();
    ASSERT_TRUE(world.until([&] { return world.in_state(ReplicaState::kReady) == 1; }));
    EXPECT_EQ(actuator->replicas()[0].stages.from, c.from);
    EXPECT_EQ(looks(), c.looks) << "once a start";
    actuator->apply({"h100", Replicas(0), {}});
    ASSERT_TRUE(world.until([&] { return site.cluster.pods(site.ns).empty(); }));
    site.server.requests.clear();
    world.last.clear();
  }
}

}  // namespace
}  // namespace tidegate::live
