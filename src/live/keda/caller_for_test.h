#pragma once
// A gRPC client in KEDA's part.

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "externalscaler.grpc.pb.h"
#include "live/keda/metric.h"
#include "live/keda/number_board.h"
#include "live/net/http.h"

namespace tidegate::live::keda {

namespace wire = externalscaler;
using Metadata = std::map<std::string, std::string>;

inline constexpr std::chrono::seconds kPatience{30};

inline VariantNumber decided(std::int64_t replicas, std::string variant = "h100") {
  return {.variant = std::move(variant), .replicas = Replicas(replicas)};
}

/// One call's or stream's context, with a limit so that a failure is no hang.
inline std::unique_ptr<grpc::ClientContext> context() {
  auto out = std::make_unique<grpc::ClientContext>();
  out->set_deadline(std::chrono::system_clock::now() + kPatience);
  out->set_wait_for_ready(false);
  return out;
}

/// What KEDA does: one connection, a stream and polls for each ScaledObject.
class Caller {
 public:
  explicit Caller(const net::Address& address,
                  const std::shared_ptr<grpc::ChannelCredentials>& credentials =
                      grpc::InsecureChannelCredentials()) {
    grpc::ChannelArguments args;
    args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel(address.text(), credentials, args);
    stub_ = wire::ExternalScaler::NewStub(channel_);
  }

  struct Answer {
    grpc::Status status;
    double value = 0;  ///< target, total, or 1 for active
  };
  Answer is_active(const Metadata& metadata) {
    wire::IsActiveResponse response;
    auto status = stub_->IsActive(context().get(), ref(metadata), &response);
    return {status, response.result() ? 1.0 : 0.0};
  }
  Answer target(const Metadata& metadata) {
    wire::GetMetricSpecResponse response;
    auto status = stub_->GetMetricSpec(context().get(), ref(metadata), &response);
    if (!status.ok()) return {status};
    EXPECT_EQ(response.metricspecs_size(), 1);
    EXPECT_EQ(response.metricspecs(0).metricname(), kMetricName);
    EXPECT_EQ(response.metricspecs(0).targetsize(), response.metricspecs(0).targetsizefloat());
    return {status, response.metricspecs(0).targetsizefloat()};
  }
  Answer total(const Metadata& metadata, const std::string& metric = std::string(kMetricName)) {
    wire::GetMetricsRequest request;
    *request.mutable_scaledobjectref() = ref(metadata);
    request.set_metricname(metric);
    wire::GetMetricsResponse response;
    auto status = stub_->GetMetrics(context().get(), request, &response);
    if (!status.ok()) return {status};
    EXPECT_EQ(response.metricvalues_size(), 1);
    const auto& value = response.metricvalues(0);
    EXPECT_EQ(value.metricname(), kMetricName);
    // As KEDA chooses between the two.
    return {status, value.metricvaluefloat() > 0 ? value.metricvaluefloat()
                                                 : static_cast<double>(value.metricvalue())};
  }

  class Stream {
   public:
    Stream(wire::ExternalScaler::Stub& stub, const wire::ScaledObjectRef& ref)
        : context_(context()), reader_(stub.StreamIsActive(context_.get(), ref)) {}
    /// Waits for the next push; none: the stream is over.
    std::optional<bool> next() {
      wire::IsActiveResponse response;
      if (!reader_->Read(&response)) return std::nullopt;
      return response.result();
    }
    grpc::Status end() { return reader_->Finish(); }
    void cancel() { context_->TryCancel(); }

   private:
    std::unique_ptr<grpc::ClientContext> context_;
    std::unique_ptr<grpc::ClientReader<wire::IsActiveResponse>> reader_;
  };
  Stream stream(const Metadata& metadata) { return {*stub_, ref(metadata)}; }
  std::shared_ptr<grpc::Channel> channel() { return channel_; }

 private:
  static wire::ScaledObjectRef ref(const Metadata& metadata) {
    wire::ScaledObjectRef out;
    out.set_name("so");
    out.set_namespace_("serve");
    (*out.mutable_scalermetadata())["scalerAddress"] = "tidegate.serve:8082";  // KEDA sends all
    for (const auto& [key, value] : metadata) (*out.mutable_scalermetadata())[key] = value;
    return out;
  }
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<wire::ExternalScaler::Stub> stub_;
};

}  // namespace tidegate::live::keda
