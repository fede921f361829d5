// What KEDA asks an external scaler, by hand.
//   keda_client ADDRESS active|total|target|stream MODEL [VARIANT]
// Prints the answer, one line a push for stream. Exit code: gRPC's; its words go to stderr.
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstring>

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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::fputs("keda_client ADDRESS active|total|target|stream MODEL [VARIANT]\n", stderr);
    return 2;
  }
  auto stub = wire::ExternalScaler::NewStub(
      grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));
  wire::ScaledObjectRef ref;
  ref.set_name("so");
  ref.set_namespace_("serve");
  (*ref.mutable_scalermetadata())["scalerAddress"] = argv[1];
  (*ref.mutable_scalermetadata())["model"] = argv[3];
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
  wire::GetMetricSpecResponse specs;
  grpc::Status status = stub->GetMetricSpec(&context, ref, &specs);
  if (!status.ok()) return ended(status);
  if (std::strcmp(argv[2], "target") == 0) {
    for (const auto& spec : specs.metricspecs()) std::printf("%.3f\n", spec.targetsizefloat());
    return 0;
  }
  grpc::ClientContext second;
  wire::GetMetricsRequest request;
  *request.mutable_scaledobjectref() = ref;
  request.set_metricname(specs.metricspecs(0).metricname());
  wire::GetMetricsResponse metrics;
  status = stub->GetMetrics(&second, request, &metrics);
  for (const auto& value : metrics.metricvalues()) std::printf("%.3f\n", value.metricvaluefloat());
  return ended(status);
}
