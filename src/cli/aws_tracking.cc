#include "cli/aws_tracking.h"

#include <fmt/format.h>

#include <vector>

#include "cli/spec_choice.h"
#include "live/aws/cloudwatch.h"

namespace tidegate::cli {
namespace {

using namespace live;

constexpr Duration kPatience = seconds(120);  // wall; of one group, throttling included

struct Group {
  std::string model;
  spec::AwsAutoScalingGroupTarget target;
};

/// Every group of the spec that may be followed; an error says why one must not.
Result<std::vector<Group>> groups_of(const std::string& path) {
  auto file = spec_of(path);
  if (!file) return fail(file.error());
  std::vector<Group> out;
  for (const format::LoadedModel& loaded : file->models) {
    for (const spec::Variant& variant : loaded.model.variants) {
      const auto* target = std::get_if<spec::AwsAutoScalingGroupTarget>(&variant.target);
      if (target == nullptr) continue;
      const std::string at =
          fmt::format("{}: model {}, variant {}: ", path, loaded.model.name, variant.name);
      if (loaded.model.scaling.mode != spec::Mode::kObserve) {
        return fail(at +
                    "two would write this group's desired capacity; set scaling.mode: observe");
      }
      if (!target->publish_metrics) {
        return fail(at + "there is no metric to follow; set publishMetrics: true");
      }
      out.push_back({loaded.model.name, *target});
    }
  }
  if (out.empty()) return fail(path + ": no variant has target.awsAutoScalingGroup");
  return out;
}

Result<void> write(const Group& group, const aws::Params& policy) {
  auto loop = net::Loop::create();
  if (!loop) return fail(loop.error());
  net::HttpClient http(**loop);
  aws::Accounts accounts(**loop, http);
  auto client = accounts.client({group.target.profile, group.target.region, group.target.endpoint});
  if (!client) return fail(client.error());
  bool told = false;
  Result<void> out;
  aws::put_tracking_policy(**client, policy, [&](const aws::AwsResult<aws::None>& done) {
    told = true;
    if (!done) out = fail(done.error().message);
  });
  if (!(*loop)->run_until([&] { return told; }, kPatience)) return fail("AWS did not answer");
  return out;
}

}  // namespace

int aws_tracking(const AwsTrackingFlags& flags) {
  auto groups = groups_of(flags.spec);
  if (!groups) {
    fmt::print(stderr, "tidegate aws-tracking: {}\n", groups.error().message);
    return 2;
  }
  for (const Group& group : *groups) {
    const aws::Params policy =
        aws::tracking_policy(group.target.name, group.model, flags.queue_depth);
    if (!flags.write) {
      for (const auto& [name, value] : policy) fmt::print("{}: {}\n", name, value);
      continue;
    }
    if (auto done = write(group, policy); !done) {
      fmt::print(stderr, "tidegate aws-tracking: group {}: {}\n", group.target.name,
                 done.error().message);
      return 1;
    }
    fmt::print("group {} in {} follows LLMQueueDepth of {}: {} waiting a replica\n",
               group.target.name, group.target.region, group.model, flags.queue_depth);
  }
  return 0;
}

void add_aws_tracking(CLI::App& app, int& code) {
  static AwsTrackingFlags o;
  auto* s = verb<AwsTrackingFlags>(app, "aws-tracking",
                                   "Let AWS follow the queue that run publishes (target tracking)",
                                   "  tidegate aws-tracking -f model.yaml            # a look\n"
                                   "  tidegate aws-tracking -f model.yaml --write\n",
                                   aws_tracking, code, o);
  s->add_option("-f,--file", o.spec, "spec file")->required()->check(CLI::ExistingFile);
  s->add_option("--queue-depth", o.queue_depth, "requests waiting a replica to hold")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  s->add_flag("--write", o.write, "put the policy on the groups (PutScalingPolicy)");
}

}  // namespace tidegate::cli
