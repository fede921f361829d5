#include "core/route/options.h"

#include <gtest/gtest.h>

namespace tidegate::route {
namespace {

TEST(RouterOptions, AReplicaHoldsTheConcurrencyTargetElseAllSequencesOfItsRanks) {
  spec::Model model;
  model.variants.resize(2);
  model.variants[1].engine.max_num_seqs = 64;
  model.variants[1].engine.data_parallel_size = 2;
  const EngineSize size{.max_num_seqs = 256, .kv_tokens = 1000};
  EXPECT_EQ(replica_up(model, 0, ReplicaId(1), size).max_requests, 256) << "the profile's";
  ReplicaUp up = replica_up(model, 1, ReplicaId(7), size);
  EXPECT_EQ(up.max_requests, 128) << "the spec's, for each rank";
  EXPECT_EQ(up.replica, ReplicaId(7));
  EXPECT_EQ(up.variant, 1);
  EXPECT_EQ(up.kv_tokens, 1000);
  model.scaling.concurrency_target = 10;
  EXPECT_EQ(replica_up(model, 1, ReplicaId(7), size).max_requests, 10);
}

TEST(RouterOptions, AreTheSpecsQueueAndPriorityClasses) {
  spec::Model model;
  EXPECT_EQ(router_options(model).class_weights, (std::vector<std::int64_t>{1}));
  model.queue = {.max_requests = 5, .max_bytes = 6, .max_wait = seconds(7)};
  model.priority_classes = {{"interactive", 10}, {"batch", 1}};
  Options options = router_options(model);
  EXPECT_EQ(options.max_requests, 5);
  EXPECT_EQ(options.max_bytes, 6);
  EXPECT_EQ(options.max_wait, seconds(7));
  EXPECT_EQ(options.class_weights, (std::vector<std::int64_t>{10, 1}));
}

TEST(RouterOptions, HeedTheSloUnlessTheQueueSaysNot) {
  spec::Model model;
  EXPECT_EQ(router_options(model).due, Duration(0));
  EXPECT_EQ(router_options(model).itl, Duration(0));
  model.slo.ttft = {0.99, seconds(2)};
  model.slo.itl = {0.95, millis(60)};
  EXPECT_EQ(router_options(model).due, millis(1600)) << "a fifth is left for the prefill";
  EXPECT_EQ(router_options(model).itl, millis(60));
  model.queue.order = spec::QueueOrder::kArrival;
  EXPECT_EQ(router_options(model).due, Duration(0));
  model.queue.pace_prefill = false;
  EXPECT_EQ(router_options(model).itl, Duration(0));
}

TEST(RouterOptions, AReplicaCostsAStepWhatItsProfileSaysSharedByItsRanks) {
  spec::Model model;
  model.variants.resize(1);
  model.variants[0].engine.data_parallel_size = 2;
  const ReplicaUp up = replica_up(model, 0, ReplicaId(1), {});
  EXPECT_EQ(up.c0_fs, model.variants[0].profile.c0_fs);
  EXPECT_EQ(up.c1_fs, model.variants[0].profile.c1_fs / 2);
  EXPECT_EQ(up.c3_fs, model.variants[0].profile.c3_fs / 2);
  model.queue.pace_prefill = false;
  EXPECT_EQ(replica_up(model, 0, ReplicaId(1), {}).c1_fs, 0) << "nothing is paced, none is slow";
}

}  // namespace
}  // namespace tidegate::route
