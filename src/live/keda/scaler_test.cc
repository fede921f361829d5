#include "live/keda/scaler.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <thread>

#include "live/keda/caller_for_test.h"

namespace tidegate::live::keda {
namespace {

using grpc::StatusCode;
using ::testing::HasSubstr;

class ScalerTest : public ::testing::Test {
 protected:
  explicit ScalerTest(std::size_t max_streams = 4096) {
    ScalerOptions options;
    options.listen = {"127.0.0.1", 0};
    options.max_streams = max_streams;
    scaler = Scaler::create(board, options).value();
    caller = std::make_unique<Caller>(scaler->address());
  }
  /// A count that gRPC's threads still bring about, and that then stays.
  bool until_streams(std::int64_t n) {
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (scaler->counts().streams != n && std::chrono::steady_clock::now() < limit) {
      std::this_thread::yield();
    }
    return scaler->counts().streams == n;
  }

  NumberBoard board;
  std::unique_ptr<Scaler> scaler;
  std::unique_ptr<Caller> caller;
};

/// The arithmetic of the HPA controller on an external metric of type AverageValue.
std::int64_t hpa(std::int64_t current, double total, double target) {
  constexpr double kTolerance = 0.1;
  const double milli = std::ceil(total * 1000 - 1e-6), milli_target = target * 1000;
  const double ratio = milli / (milli_target * static_cast<double>(current));
  if (1 - kTolerance <= ratio && ratio <= 1 + kTolerance) return current;
  return static_cast<std::int64_t>(std::ceil(milli / milli_target));
}

TEST(KedaMetric, hpa_ends_at_the_decided_number_or_leaves_a_step_within_its_tolerance) {
  for (std::int64_t current = 1; current <= 150; ++current) {
    for (std::int64_t wanted = 1; wanted <= 150; ++wanted) {
      for (const auto& running : {std::optional(Replicas(current)), std::optional<Replicas>()}) {
        VariantNumber number = decided(wanted);
        number.running = running;
        const std::int64_t got = hpa(current, metric_total(number), kMetricTarget);
        if (got == wanted) continue;
        ASSERT_EQ(got, current) << "no third number: " << current << " to " << wanted;
        // What is left: of 10 replicas and more, one up in ten; of 20 and more, down two in twenty.
        const std::int64_t step = wanted - current;
        const std::int64_t most = running && step < 0 ? current / 10 - 1 : current / 10;
        EXPECT_LE(std::abs(step), most) << current << " to " << wanted;
      }
    }
  }
}

TEST(KedaMetric, the_total_is_never_zero_but_for_none) {
  EXPECT_EQ(metric_total(decided(0)), 0);
  EXPECT_EQ(metric_total({.variant = "v", .replicas = Replicas(0), .running = Replicas(3)}), 0);
  EXPECT_GT(metric_total({.variant = "v", .replicas = Replicas(1), .running = Replicas(3)}), 0);
}

TEST_F(ScalerTest, a_scaled_object_goes_from_zero_by_push_and_on_by_the_metric) {
  board.publish("m", {decided(0)});
  auto stream = caller->stream({{"model", "m"}});
  EXPECT_EQ(stream.next(), false) << "the state on connect";
  EXPECT_EQ(caller->is_active({{"model", "m"}}).value, 0);
  EXPECT_EQ(caller->total({{"model", "m"}}).value, 0);
  board.publish("m", {decided(1)});
  EXPECT_EQ(stream.next(), true);
  EXPECT_EQ(caller->is_active({{"model", "m"}}).value, 1);
  const double target = caller->target({{"model", "m"}}).value;
  std::int64_t current = 1;
  for (std::int64_t wanted : {5, 8, 2, 1}) {
    VariantNumber number = decided(wanted);
    number.running = Replicas(current);
    board.publish("m", {number});
    current = hpa(current, caller->total({{"model", "m"}}).value, target);
    EXPECT_EQ(current, wanted);
  }
  board.publish("m", {decided(0)});
  EXPECT_EQ(stream.next(), false) << "and nothing was pushed between 1 and 8 and 1";
}

TEST_F(ScalerTest, without_a_number_it_says_why_and_never_zero) {
  board.publish("one", {decided(3)});
  board.publish("two", {decided(4, "a100"), decided(5, "h100")});
  for (auto [model, standing] :
       {std::pair("young", Standing::kNotYet), std::pair("led", Standing::kNotLeader),
        std::pair("own", Standing::kWritesItself)}) {
    board.publish(model, {{.variant = "v", .standing = standing}});
  }
  struct Row {
    const char* label;
    Metadata metadata;
    StatusCode code;
    const char* says;
    bool spec_known;
  };
  const Row rows[] = {
      {"no model named", {}, StatusCode::INVALID_ARGUMENT, "add model: NAME", false},
      {"an empty one", {{"model", ""}}, StatusCode::INVALID_ARGUMENT, "add model: NAME", false},
      {"a model nobody knows",
       {{"model", "x"}},
       StatusCode::NOT_FOUND,
       "no model \"x\"; there are: led, one, own, two, young",
       false},
      {"several variants and none named",
       {{"model", "two"}},
       StatusCode::INVALID_ARGUMENT,
       "variant: a100, h100",
       false},
      {"a variant nobody knows",
       {{"model", "two"}, {"variant", "l4"}},
       StatusCode::NOT_FOUND,
       "no variant \"l4\" of model two; there are: a100, h100",
       false},
      {"nothing decided yet", {{"model", "young"}}, StatusCode::UNAVAILABLE, "ask again", true},
      {"a follower", {{"model", "led"}}, StatusCode::UNAVAILABLE, "another Tidegate leads", true},
      {"a target that Tidegate writes",
       {{"model", "own"}},
       StatusCode::FAILED_PRECONDITION,
       "set scaling.mode: observe",
       true},
  };
  for (const Row& row : rows) {
    for (const auto& answer : {caller->is_active(row.metadata), caller->total(row.metadata)}) {
      EXPECT_EQ(answer.status.error_code(), row.code) << row.label;
      EXPECT_THAT(answer.status.error_message(), HasSubstr(row.says)) << row.label;
    }
    const auto spec = caller->target(row.metadata);
    EXPECT_EQ(spec.status.ok(), row.spec_known) << row.label << ": else HPA would look at CPU";
    if (row.code == StatusCode::UNAVAILABLE && std::string(row.label) != "a follower") continue;
    auto stream = caller->stream(row.metadata);
    EXPECT_EQ(stream.next(), std::nullopt) << row.label;
    EXPECT_EQ(stream.end().error_code(), row.code) << row.label;
  }
  EXPECT_EQ(caller->total({{"model", "two"}, {"variant", "h100"}}).value, 5);
  EXPECT_EQ(caller->total({{"model", "one"}, {"variant", "h100"}}).value, 3);
  EXPECT_EQ(caller->total({{"model", "one"}}, "other").status.error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ScalerTest, a_bare_name_is_the_model_of_the_scaled_objects_own_namespace) {
  board.publish("other/m", {decided(9)});
  board.publish("m", {decided(8)});
  EXPECT_EQ(caller->total({{"model", "m"}}).value, 8) << "none in serve";
  board.publish("serve/m", {decided(0)});
  auto stream = caller->stream({{"model", "m"}});
  EXPECT_EQ(stream.next(), false);
  EXPECT_EQ(caller->total({{"model", "other/m"}}).value, 9);
  EXPECT_EQ(caller->total({{"model", "serve/m"}}).status.error_code(), StatusCode::OK);
  board.publish("serve/m", {decided(2)});
  EXPECT_EQ(stream.next(), true) << "its stream hears of it";
  stream.cancel();
  EXPECT_EQ(stream.end().error_code(), StatusCode::CANCELLED);
}

TEST_F(ScalerTest, a_long_list_of_names_is_cut_and_a_long_name_too) {
  for (int i = 0; i < 30; ++i) board.publish("model-" + std::to_string(i), {decided(1)});
  const auto answer = caller->is_active({{"model", std::string(4000, 'x')}});
  EXPECT_EQ(answer.status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("and 10 more"));
  EXPECT_LT(answer.status.error_message().size(), 600u);
}

TEST_F(ScalerTest, a_stream_opened_before_the_first_decision_waits_for_it) {
  board.publish("m", {{.variant = "v", .standing = Standing::kNotYet}});
  auto stream = caller->stream({{"model", "m"}});
  ASSERT_TRUE(until_streams(1));
  board.publish("m", {decided(2, "v")});
  EXPECT_EQ(stream.next(), true);
}

TEST_F(ScalerTest, while_more_models_may_come_an_unknown_one_is_not_ready_yet) {
  board.know(Models::kMoreMayCome);
  EXPECT_EQ(caller->is_active({{"model", "m"}}).status.error_code(), StatusCode::UNAVAILABLE);
  auto stream = caller->stream({{"model", "m"}});
  auto stranger = caller->stream({{"model", "x"}});
  ASSERT_TRUE(until_streams(2));
  board.publish("m", {decided(1)});
  EXPECT_EQ(stream.next(), true);
  board.know(Models::kAll);
  EXPECT_EQ(stranger.next(), std::nullopt);
  EXPECT_EQ(stranger.end().error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ScalerTest, a_stream_ends_when_its_model_leaves_and_says_so) {
  board.publish("m", {decided(1)});
  auto stream = caller->stream({{"model", "m"}});
  EXPECT_EQ(stream.next(), true);
  board.remove("m");
  EXPECT_EQ(stream.next(), std::nullopt);
  const auto status = stream.end();
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("there are: none"));
}

TEST_F(ScalerTest, a_hundred_streams_hear_each_change_and_those_who_leave_are_forgotten) {
  constexpr int kStreams = 100;
  board.publish("m", {decided(0)});
  std::vector<Caller::Stream> streams;
  for (int i = 0; i < kStreams; ++i) streams.push_back(caller->stream({{"model", "m"}}));
  for (auto& stream : streams) EXPECT_EQ(stream.next(), false);
  for (int round = 0; round < 3; ++round) {
    board.publish("m", {decided(1)});
    for (auto& stream : streams) EXPECT_EQ(stream.next(), true);
    board.publish("m", {decided(0)});
    for (auto& stream : streams) EXPECT_EQ(stream.next(), false);
  }
  EXPECT_EQ(scaler->counts().pushes, kStreams * 7);
  for (int i = 0; i < kStreams / 2; ++i) {
    streams.back().cancel();
    EXPECT_EQ(streams.back().next(), std::nullopt);
    EXPECT_EQ(streams.back().end().error_code(), StatusCode::CANCELLED);
    streams.pop_back();
  }
  EXPECT_TRUE(until_streams(kStreams / 2));
  board.publish("m", {decided(1)});
  for (auto& stream : streams) EXPECT_EQ(stream.next(), true);
}

TEST_F(ScalerTest, numbers_that_race_with_streams_that_come_end_at_the_last_one) {
  for (int round = 0; round < 50; ++round) {
    board.publish("m", {decided(0)});
    auto stream = caller->stream({{"model", "m"}});
    board.publish("m", {decided(1)});
    board.publish("m", {decided(0)});
    board.publish("m", {decided(2)});
    std::optional<bool> last = stream.next();
    while (last == false) last = stream.next();
    EXPECT_EQ(last, true);
  }
}

class TwoStreams : public ScalerTest {
 protected:
  TwoStreams() : ScalerTest(2) {}
};

TEST_F(TwoStreams, one_stream_too_many_is_refused_and_calls_go_on) {
  board.publish("m", {decided(1)});
  auto first = caller->stream({{"model", "m"}});
  auto second = caller->stream({{"model", "m"}});
  EXPECT_EQ(first.next(), true);
  EXPECT_EQ(second.next(), true);
  auto third = caller->stream({{"model", "m"}});
  EXPECT_EQ(third.next(), std::nullopt);
  const auto status = third.end();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("2 streams are open"));
  EXPECT_EQ(caller->total({{"model", "m"}}).value, 1);
  first.cancel();
  EXPECT_EQ(first.next(), std::nullopt);
  ASSERT_TRUE(until_streams(1));
  EXPECT_EQ(caller->stream({{"model", "m"}}).next(), true);
}

TEST_F(ScalerTest, what_is_too_large_or_not_built_is_refused) {
  board.publish("m", {decided(1)});
  const auto large = caller->is_active({{"model", "m"}, {"x", std::string(70'000, 'x')}});
  EXPECT_EQ(large.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  // KEDA takes this answer for: no such stream.
  grpc::GenericStub stub(caller->channel());
  grpc::CompletionQueue queue;
  auto ctx = context();
  auto call = stub.PrepareUnaryCall(ctx.get(), "/externalscaler.ExternalScaler/StreamMetricSpec",
                                    grpc::ByteBuffer(), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(ScalerTest, stopping_ends_streams_cleanly_and_nobody_is_answered_after) {
  board.publish("m", {decided(1)});
  auto stream = caller->stream({{"model", "m"}});
  EXPECT_EQ(stream.next(), true);
  scaler->shutdown();
  EXPECT_EQ(stream.next(), std::nullopt);
  EXPECT_TRUE(stream.end().ok());
  EXPECT_EQ(caller->is_active({{"model", "m"}}).status.error_code(), StatusCode::UNAVAILABLE);
  board.publish("m", {decided(0)});  // heard by nobody
  scaler->shutdown();                // again: nothing
  const net::Address before = scaler->address();
  ASSERT_TRUE(scaler->listen());
  EXPECT_EQ(scaler->address(), before);
  Caller later(before);
  auto again = later.stream({{"model", "m"}});
  EXPECT_EQ(again.next(), false);
  board.publish("m", {decided(1)});
  EXPECT_EQ(again.next(), true);
}

TEST_F(ScalerTest, an_address_that_is_taken_is_refused_with_the_reason) {
  ScalerOptions options;
  options.listen = scaler->address();
  NumberBoard other;
  const auto second = Scaler::create(other, options);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("Address already in use"));
}

}  // namespace
}  // namespace tidegate::live::keda
