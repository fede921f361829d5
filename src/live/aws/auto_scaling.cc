#include "live/aws/auto_scaling.h"

#include <fmt/format.h>

#include <charconv>
#include <pugixml.hpp>
#include <string_view>

#include "live/kube/time_text.h"

namespace tidegate::live::aws {
namespace {

std::int64_t number(pugi::xml_node node, const char* name, std::int64_t otherwise) {
  const std::string_view text = node.child_value(name);
  std::int64_t value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

pugi::xml_node result(const Document& document, const char* action) {
  return document->document_element().child((std::string(action) + "Result").c_str());
}

std::vector<Instance> instances_in(pugi::xml_node list) {
  std::vector<Instance> out;
  for (pugi::xml_node one : list.children("member")) {
    out.push_back({one.child_value("InstanceId"), one.child_value("AvailabilityZone"),
                   one.child_value("LifecycleState"), one.child_value("HealthStatus"),
                   std::string_view(one.child_value("ProtectedFromScaleIn")) == "true"});
  }
  return out;
}

/// Reads `parse(document)` where there is one.
template <class T, class Parse>
Client::Answered reads(Told<T> told, Parse parse) {
  return [told = std::move(told), parse = std::move(parse)](Answer answer) {
    if (!answer) return told(tl::unexpected(std::move(answer.error())));
    told(parse(*answer));
  };
}

Client::Answered done(Told<None> told) {
  return reads<None>(std::move(told), [](const Document&) -> AwsResult<None> { return None{}; });
}

constexpr const char* kGroupName = "AutoScalingGroupName";

/// Warm instances come in pages; a group's own do not.
void read_pool_page(Client& client, const std::string& group, const std::string& token, int pages,
                    WarmPool so_far, Told<WarmPool> told) {
  Params params = {{kGroupName, group}};
  if (!token.empty()) params.emplace_back("NextToken", token);
  client.call(
      kAutoScaling, "DescribeWarmPool", std::move(params),
      [&client, group, pages, so_far = std::move(so_far),
       told = std::move(told)](Answer answer) mutable {
        if (!answer) return told(tl::unexpected(std::move(answer.error())));
        pugi::xml_node page = result(*answer, "DescribeWarmPool");
        if (pugi::xml_node made = page.child("WarmPoolConfiguration")) {
          so_far.configured = true;
          so_far.min = number(made, "MinSize", 0);
          so_far.prepared = number(made, "MaxGroupPreparedCapacity", -1);
          so_far.state = made.child_value("PoolState");
          so_far.reuse =
              std::string_view(made.child("InstanceReusePolicy").child_value("ReuseOnScaleIn")) ==
              "true";
        }
        for (Instance& one : instances_in(page.child("Instances"))) {
          so_far.instances.push_back(std::move(one));
        }
        const std::string next = page.child_value("NextToken");
        if (next.empty()) return told(std::move(so_far));
        if (pages == 1) {
          return told(tl::unexpected(
              AwsError{"TooMany", 200,
                       fmt::format("the warm pool of group {} goes on after {} pages; at most that "
                                   "many are read",
                                   group, kMaxPoolPages)}));
        }
        read_pool_page(client, group, next, pages - 1, std::move(so_far), std::move(told));
      });
}

}  // namespace

void read_group(Client& client, const std::string& group, Told<Group> told) {
  constexpr const char* kAction = "DescribeAutoScalingGroups";
  client.call(
      kAutoScaling, kAction, {{"AutoScalingGroupNames.member.1", group}},
      reads<Group>(
          std::move(told),
          [group, region = client.wish().region](const Document& document) -> AwsResult<Group> {
            pugi::xml_node found =
                result(document, kAction).child("AutoScalingGroups").child("member");
            if (!found) {
              return tl::unexpected(AwsError{"NotFound", 200,
                                             "no auto scaling group " + group + " in " + region +
                                                 "; check name, region and account"});
            }
            Group out;
            out.min = number(found, "MinSize", 0);
            out.max = number(found, "MaxSize", 0);
            out.desired = number(found, "DesiredCapacity", 0);
            out.instances = instances_in(found.child("Instances"));
            for (pugi::xml_node one : found.child("SuspendedProcesses").children("member")) {
              out.suspended.emplace_back(one.child_value("ProcessName"));
            }
            out.being_deleted = *found.child_value("Status") != 0;
            return out;
          }));
}

void read_warm_pool(Client& client, const std::string& group, Told<WarmPool> told) {
  read_pool_page(client, group, "", kMaxPoolPages, {}, std::move(told));
}

void read_activities(Client& client, const std::string& group, Told<std::vector<Activity>> told) {
  constexpr const char* kAction = "DescribeScalingActivities";
  client.call(
      kAutoScaling, kAction, {{kGroupName, group}, {"MaxRecords", std::to_string(kActivitiesRead)}},
      reads<std::vector<Activity>>(
          std::move(told), [](const Document& document) -> AwsResult<std::vector<Activity>> {
            std::vector<Activity> out;
            for (pugi::xml_node one :
                 result(document, kAction).child("Activities").children("member")) {
              out.push_back({one.child_value("ActivityId"), one.child_value("StatusCode"),
                             one.child_value("StatusMessage"), one.child_value("Description")});
            }
            return out;
          }));
}

void read_machines(Client& client, const std::vector<std::string>& ids,
                   Told<std::map<std::string, Machine>> told) {
  // As a filter: an id that EC2 has not heard of yet (or any more) is no error.
  Params params = {{"Filter.1.Name", "instance-id"}};
  for (std::size_t i = 0; i < ids.size() && i < kMaxMachinesRead; ++i) {
    params.emplace_back("Filter.1.Value." + std::to_string(i + 1), ids[i]);
  }
  using Machines = std::map<std::string, Machine>;
  client.call(kEc2, "DescribeInstances", std::move(params),
              reads<Machines>(std::move(told), [](const Document& document) -> AwsResult<Machines> {
                Machines out;
                pugi::xml_node reservations = document->document_element().child("reservationSet");
                for (pugi::xml_node reservation : reservations.children("item")) {
                  for (pugi::xml_node one : reservation.child("instancesSet").children("item")) {
                    Machine& machine = out[one.child_value("instanceId")];
                    machine.private_ip = one.child_value("privateIpAddress");
                    machine.state = one.child("instanceState").child_value("name");
                    machine.launched = kube::parse_time(one.child_value("launchTime"));
                    machine.spot = std::string_view(one.child_value("instanceLifecycle")) == "spot";
                  }
                }
                return out;
              }));
}

void set_desired(Client& client, const std::string& group, std::int64_t desired, Told<None> told) {
  client.call(kAutoScaling, "SetDesiredCapacity",
              {{kGroupName, group},
               {"DesiredCapacity", std::to_string(desired)},
               {"HonorCooldown", "false"}},
              done(std::move(told)));
}

void terminate(Client& client, const std::string& instance, Told<None> told) {
  client.call(kAutoScaling, "TerminateInstanceInAutoScalingGroup",
              {{"InstanceId", instance}, {"ShouldDecrementDesiredCapacity", "true"}},
              done(std::move(told)));
}

void protect(Client& client, const std::string& group, const std::vector<std::string>& instances,
             Told<None> told) {
  Params params = {{kGroupName, group}, {"ProtectedFromScaleIn", "true"}};
  for (std::size_t i = 0; i < instances.size() && i < kMaxProtected; ++i) {
    params.emplace_back("InstanceIds.member." + std::to_string(i + 1), instances[i]);
  }
  client.call(kAutoScaling, "SetInstanceProtection", std::move(params), done(std::move(told)));
}

void complete_hook(Client& client, const std::string& group, const std::string& hook,
                   const std::string& instance, Told<None> told) {
  client.call(kAutoScaling, "CompleteLifecycleAction",
              {{kGroupName, group},
               {"LifecycleHookName", hook},
               {"InstanceId", instance},
               {"LifecycleActionResult", "CONTINUE"}},
              done(std::move(told)));
}

void set_warm_pool(Client& client, const std::string& group, std::int64_t prepared,
                   const std::string& state, Told<None> told) {
  client.call(kAutoScaling, "PutWarmPool",
              {{kGroupName, group},
               {"MinSize", "0"},
               {"MaxGroupPreparedCapacity", std::to_string(prepared)},
               {"PoolState", state},
               {"InstanceReusePolicy.ReuseOnScaleIn", "true"}},
              done(std::move(told)));
}

}  // namespace tidegate::live::aws
