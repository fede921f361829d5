// The calls that name a group.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "live/aws/testing/fake_aws.h"

namespace tidegate::live::aws {
namespace {

std::string of(const std::map<std::string, std::string>& form, const std::string& name) {
  auto it = form.find(name);
  return it == form.end() ? "" : it->second;
}

std::int64_t number(const std::string& text, std::int64_t otherwise) {
  std::from_chars(text.data(), text.data() + text.size(), otherwise);
  return otherwise;
}

std::string invalid(const std::string& message) {
  return "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>" +
         message + "</Message></Error></ErrorResponse>";
}

std::string member(const FakeInstance& one) {
  return fmt::format(
      "<member><InstanceId>{}</InstanceId><AvailabilityZone>eu-central-1a</AvailabilityZone>"
      "<LifecycleState>{}</LifecycleState><HealthStatus>Healthy</HealthStatus>"
      "<ProtectedFromScaleIn>{}</ProtectedFromScaleIn></member>",
      one.id, one.lifecycle, one.is_protected);
}

/// The fake's words start with a blank: they are put inside <...Result>.
std::string group_xml(const FakeGroup& group) {
  std::string instances, suspended;
  for (const FakeInstance& one : group.instances) {
    if (!one.warmed()) instances += member(one);
  }
  for (const std::string& process : group.suspended) {
    suspended += "<member><ProcessName>" + process + "</ProcessName></member>";
  }
  return fmt::format(
      " <AutoScalingGroups><member><AutoScalingGroupName>{}</AutoScalingGroupName>"
      "<MinSize>{}</MinSize><MaxSize>{}</MaxSize><DesiredCapacity>{}</DesiredCapacity>"
      "<Instances>{}</Instances><SuspendedProcesses>{}</SuspendedProcesses></member>"
      "</AutoScalingGroups>",
      group.name, group.min, group.max, group.desired, instances, suspended);
}

std::string pool_xml(const FakeGroup& group, std::int64_t from) {
  std::string instances, token;
  std::int64_t place = 0;
  for (const FakeInstance& one : group.instances) {
    if (!one.warmed() || place++ < from) continue;
    if (place <= from + group.pool_page) {
      instances += member(one);
    } else {
      token = "<NextToken>" + std::to_string(from + group.pool_page) + "</NextToken>";
    }
  }
  std::string made = " ";
  if (group.pool) {
    made = fmt::format(
        " <WarmPoolConfiguration><MinSize>{}</MinSize>"
        "<MaxGroupPreparedCapacity>{}</MaxGroupPreparedCapacity><PoolState>{}</PoolState>"
        "<InstanceReusePolicy><ReuseOnScaleIn>{}</ReuseOnScaleIn></InstanceReusePolicy>"
        "</WarmPoolConfiguration>",
        group.pool_min, group.pool_prepared, group.pool_state, group.pool_reuse);
  }
  return made + "<Instances>" + instances + "</Instances>" + token;
}

std::string activities_xml(const FakeGroup& group) {
  std::string out = " <Activities>";
  for (const FakeActivity& one : group.activities) {
    out += fmt::format(
        "<member><ActivityId>{}</ActivityId><Description>Launching a new EC2 instance</Description>"
        "<StatusCode>{}</StatusCode><StatusMessage>{}</StatusMessage></member>",
        one.id, one.status, one.message);
  }
  return out + "</Activities>";
}

}  // namespace

FakeAws::Reply FakeAws::group_call(const std::string& action, const Form& asked, FakeGroup& group) {
  if (action == "DescribeAutoScalingGroups") {
    Reply reply{200, group_xml(group)};
    group.step();
    return reply;
  }
  if (action == "DescribeWarmPool") {
    return {200, pool_xml(group, number(of(asked, "NextToken"), 0))};
  }
  if (action == "DescribeScalingActivities") return {200, activities_xml(group)};
  if (action == "SetDesiredCapacity") {
    const std::int64_t desired = number(of(asked, "DesiredCapacity"), -1);
    if (desired < group.min || desired > group.max) {
      return {400, invalid(fmt::format("New SetDesiredCapacity value {} is outside of [{}, {}].",
                                       desired, group.min, group.max))};
    }
    group.desired = desired;
    return {};
  }
  if (action == "SetInstanceProtection") {
    for (const auto& [name, id] : asked) {
      if (!name.starts_with("InstanceIds.member.")) continue;
      FakeInstance* one = group.find(id);
      if (one == nullptr) return {400, invalid("The instance " + id + " is not part of it")};
      one->is_protected = of(asked, "ProtectedFromScaleIn") == "true";
    }
    return {};
  }
  if (action == "CompleteLifecycleAction") {
    FakeInstance* one = group.find(of(asked, "InstanceId"));
    if (one == nullptr || one->lifecycle != "Terminating:Wait") {
      return {400, invalid("No active Lifecycle Action found with instance ID")};
    }
    one->lifecycle = "Terminating:Proceed";
    return {};
  }
  if (action == "PutWarmPool") {
    group.pool = true;
    group.pool_min = number(of(asked, "MinSize"), 0);
    group.pool_prepared = number(of(asked, "MaxGroupPreparedCapacity"), -1);
    if (std::string state = of(asked, "PoolState"); !state.empty()) group.pool_state = state;
    group.pool_reuse = of(asked, "InstanceReusePolicy.ReuseOnScaleIn") == "true";
    return {};
  }
  if (action == "PutScalingPolicy") {
    policy = asked;
    return {200, " <PolicyARN>arn:policy</PolicyARN>"};
  }
  return {400, "<ErrorResponse><Error><Code>InvalidAction</Code><Message>" + action +
                   "</Message></Error></ErrorResponse>"};
}

}  // namespace tidegate::live::aws
