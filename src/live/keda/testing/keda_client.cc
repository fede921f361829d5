// What KEDA asks an external scaler, by hand.
//   keda_client ADDRESS active|total|target|stream MODEL [VARIANT]
//   keda_client ADDRESS crowd COUNT ROUNDS       a stream for each of m0, m1, ..., and ROUNDS polls of
//                                                all, one each 5 s
// Prints the answer, one line a push for stream. Exit code: gRPC's; its words go to stderr.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "externalscaler.grpc.pb.h"

namespace {

namespace wire = externalscaler;

int ended(const grpc::Status& status) {
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.error_message().c_str());
  return status.error_code();
}

void print(bool active) {
  std::puts(active ? "true" : "false");
  std::fflush(stdout);
}

wire::ScaledObjectRef ref_of(const std::string& address, const std::string& model) {
  wire::ScaledObjectRef ref;
  ref.set_name(model);
  ref.set_namespace_("serve");
  (*ref.mutable_scalermetadata())["scalerAddress"] = address;
  (*ref.mutable_scalermetadata())["model"] = model;
  return ref;
}

grpc::Status total(wire::ExternalScaler::Stub& stub, const wire::ScaledObjectRef& ref,
                   wire::GetMetricsResponse& metrics) {
  grpc::ClientContext first, second;
  wire::GetMetricSpecResponse specs;
  if (grpc::Status status = stub.GetMetricSpec(&first, ref, &specs); !status.ok()) return status;
  wire::GetMetricsRequest request;
  *request.mutable_scaledobjectref() = ref;
  request.set_metricname(specs.metricspecs(0).metricname());
  return stub.GetMetrics(&second, request, &metrics);
}

/// KEDA with many ScaledObjects: one connection for all.
int crowd(const std::string& address, int count, int rounds) {
  constexpr auto kPollPeriod = std::chrono::seconds(5);
  auto stub = wire::ExternalScaler::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  std::atomic<int> pushes{0}, errors{0};
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::thread> readers;
  for (int i = 0; i < count; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    auto* context = contexts.back().get();
    readers.emplace_back([&, context, ref = ref_of(address, "m" + std::to_string(i))] {
      wire::IsActiveResponse active;
      auto stream = stub->StreamIsActive(context, ref);
      while (stream->Read(&active)) ++pushes;
    });
  }
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < count; ++i) {
      grpc::ClientContext context;
      wire::IsActiveResponse active;
      wire::GetMetricsResponse metrics;
      const auto ref = ref_of(address, "m" + std::to_string(i));
      if (!total(*stub, ref, metrics).ok()) ++errors;
      if (!stub->IsActive(&context, ref, &active).ok()) ++errors;
    }
    std::this_thread::sleep_for(kPollPeriod);
  }
  std::printf("%d streams, %d pushes, %d polls, %d errors\n", count, pushes.load(), count * rounds,
              errors.load());
  for (auto& context : contexts) context->TryCancel();
  for (auto& reader : readers) reader.join();
  return errors == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::fputs(
        "keda_client ADDRESS active|total|target|stream MODEL [VARIANT]\n"
        "keda_client ADDRESS crowd COUNT ROUNDS\n",
        stderr);
    return 2;
  }
  if (std::strcmp(argv[2], "crowd") == 0 && argc == 5) {
    return crowd(argv[1], std::atoi(argv[3]), std::atoi(argv[4]));
  }
  auto stub = wire::ExternalScaler::NewStub(
      grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));
  wire::ScaledObjectRef ref = ref_of(argv[1], argv[3]);
  if (argc == 5) (*ref.mutable_scalermetadata())["variant"] = argv[4];
  grpc::ClientContext context;
  wire::IsActiveResponse active;
  if (std::strcmp(argv[2], "stream") == 0) {
    auto stream = stub->StreamIsActive(&context, ref);
    while (stream->Read(&active)) print(active.result());
    return ended(stream->Finish());
  }
  if (std::strcmp(argv[2], "active") == 0) {
    const grpc::Status status = stub->IsActive(&context, ref, &active);
    if (status.ok()) print(active.result());
    return ended(status);
  }
  if (std::strcmp(argv[2], "target") == 0) {
    wire::GetMetricSpecResponse specs;
    const grpc::Status status = stub->GetMetricSpec(&context, ref, &specs);
    for (const auto& spec : specs.metricspecs()) std::printf("%.3f\n", spec.targetsizefloat());
    return ended(status);
  }
  wire::GetMetricsResponse metrics;
  const grpc::Status status = total(*stub, ref, metrics);
  for (const auto& value : metrics.metricvalues()) std::printf("%.3f\n", value.metricvaluefloat());
  return ended(status);
}
