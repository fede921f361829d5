// What is in front of the replicas: the gateway here, those elsewhere, or, with --leader-elect, the
// gateways of all processes of one Lease. Then who leads is told by all, its own gateway included,
// and each gateway takes its replicas and shares from there; when the lead moves, a gateway is told
// by another, and what it holds stays.
#include <fmt/format.h>

#include "live/external_metrics/own_certificate.h"
#include "live/kube/access.h"
#include "live/net/log.h"
#include "live/run/gateway_listen.h"
#include "live/run/host_name.h"
#include "live/run/runner.h"

namespace tidegate::live {
namespace {

constexpr const char* kService = "gateways";              ///< in the Lease's notice
constexpr const char* kServerName = "gateways.tidegate";  ///< that our own certificate stands for

}  // namespace

bool Runner::one_of_several() const {
  return options_.role == Role::kAll && options_.leader && !options_.dry_run;
}

Result<void> Runner::open_front() {
  const bool heard = options_.role == Role::kController && !options_.dry_run;
  if (heard || one_of_several()) {
    if (auto done = open_fleet(); !done) return done;
  }
  if (!heard) open_gateway();
  return {};
}

void Runner::waits(const std::string& model) {
  if (ModelRun* run = find(model); run != nullptr) run->waits();
}

Result<void> Runner::open_fleet() {
  link::FleetOptions options;
  options.server.listen = options_.gateways;
  options.server.token = options_.link_token;
  if (one_of_several() && options_.gateways_over_tls) {
    auto made = external_metrics::own_certificate(options_.state_dir + "/gateways", {kServerName},
                                                  net::WorldClock::wall_now());
    if (!made) return fail(made.error().within("--gateway-address"));
    options_.gateways_tls = {made->certificate, made->key, ""};
  }
  options.server.tls = options_.gateways_tls;
  options.name = host_name();
  auto fleet = link::Fleet::listen(loop_, *clock_, std::move(options),
                                   {.drained =
                                        [this](const std::string& model, ReplicaId id) {
                                          if (ModelRun* run = find(model); run != nullptr)
                                            run->drained(id);
                                        },
                                    .waits = [this](const std::string& model) { waits(model); }});
  if (!fleet) return fail(fleet.error().within("--gateway-address"));
  fleet_ = std::move(*fleet);
  return {};
}

void Runner::open_gateway() {
  gateway_ = std::make_unique<Gateway>(loop_, *client_, *clock_,
                                       GatewayOptions{.drain_delay = options_.drain_delay});
  if (fleet_ == nullptr) {
    gateway_->on_drained([this](const std::string& model, ReplicaId id) {
      if (ModelRun* run = find(model); run != nullptr) run->drained(id);
    });
  }
  gateway_->on_routed([this](const std::string& model, const route::Event& event, Instant now,
                             const std::vector<route::Action>& actions) {
    if (tape_ != nullptr) tape_->route(model, event, now, actions);
    if (!actions.empty() || !std::holds_alternative<route::Arrived>(event)) return;
    follower_ == nullptr ? waits(model) : follower_->waits(model);
  });
}

Result<void> Runner::open_gateway_listening() {
  if (gateway_ == nullptr) return {};
  auto bound = listen(*gateway_, options_);
  if (!bound) return fail(bound.error());
  gateway_address_ = *bound;
  return fleet_ == nullptr ? Result<void>{} : open_follower();
}

Result<void> Runner::open_follower() {
  link::FollowerOptions options = follower_options(options_, gateway_address_);
  options.leader = [this]() -> std::optional<link::LeaderPlace> {
    const auto leader = notice_->of(kService);
    if (!leader) return std::nullopt;
    return link::LeaderPlace{leader->address, leader->certificate_pem, leader->server_name};
  };
  follower_ = std::make_unique<link::Follower>(loop_, *clock_, *gateway_, std::move(options));
  hand_models_to_gateway();
  return tell_others();
}

/// Those that do not lead, when we do: where we hear them.
Result<void> Runner::tell_others() {
  const bool tls = options_.gateways_tls.on();
  auto pem = tls ? kube::read_file(options_.gateways_tls.certificate_file) : Result<std::string>();
  if (!pem) return fail(pem.error().within("--gateway-address"));
  auto told = notice_->tell(kService, fleet_->address(), tls ? kServerName : "",
                            [pem = std::move(*pem)] { return pem; });
  if (!told) return fail(told.error().within("--gateway-address"));
  return {};
}

/// Each second while another may lead.
void Runner::stand_by() {
  if (fleet_ != nullptr) fleet_->lead(false, election_->holder());
  if (follower_ == nullptr || follower_->leader().connected) return;
  for (const auto& model : models_) {
    for (const auto& [variant, sight] : fleet_->engines(model->name())) {
      follower_->seen(model->name(), variant, sight);
    }
  }
}

std::optional<net::Address> Runner::gateways_address() const {
  if (fleet_ == nullptr) return std::nullopt;
  return fleet_->address();
}

DataPlane& Runner::plane() {
  if (fleet_ != nullptr) return *fleet_;
  return *gateway_;
}

/// Who does not lead knows of its own requests alone.
RunFront Runner::front() const {
  const bool whole = fleet_ != nullptr && (leads_ || gateway_ == nullptr);
  const DataPlane* plane = gateway_.get();
  if (whole) plane = fleet_.get();
  return {.plane = *plane,
          .gateway = gateway_.get(),
          .fleet = whole ? fleet_.get() : nullptr,
          .follower = follower_.get()};
}

void Runner::hand_models_to_gateway() {
  std::vector<spec::Model> specs;
  for (const auto& model : models_) specs.push_back(model->model());
  hand_models_to_gateway(specs);
}

void Runner::hand_models_to_gateway(const std::vector<spec::Model>& specs) {
  if (fleet_ != nullptr) fleet_->set_models(specs);
  if (gateway_ != nullptr) gateway_->set_models(specs);
  if (follower_ != nullptr) follower_->set_models(specs);
}

}  // namespace tidegate::live
