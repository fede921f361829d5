#pragma once
// Runner: `tidegate run`. Gateway, scraper, controllers, actuators, journal and admin on one loop;
// with --role controller the gateways are elsewhere (live/fleet_link), gateway_runner.h is one.
// Of several with --leader-elect each has its gateway here and is heard by the one that leads: that
// one's own is one of the fleet (runner_front.cc).
//
//   auto runner = Runner::create(*loop, options);   // everything that can fail, fails here
//   (*runner)->begin();
//   loop->run();                                    // until shutdown() has called back
//
// A file that changes (or SIGHUP: reload()) is loaded again; one with an error changes nothing and
// is reported. Models of a cluster (options.cluster) come and go by the same road; one whose target
// is on the cluster leaves it as it is when it goes. Thread-safety: the loop's thread.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "live/admin/admin.h"
#include "live/kube/leader_election.h"
#include "live/operator/cluster_models.h"
#include "live/operator/cluster_report.h"
#include "live/operator/learned_maps.h"
#include "live/run/external_metrics.h"
#include "live/run/gpus.h"
#include "live/run/keda_feed.h"
#include "live/run/leader_notice.h"
#include "live/run/model_run.h"
#include "live/run/run_options.h"
#include "live/run/spec_files.h"
#include "live/run/status.h"
#include "live/run/target_events.h"

namespace tidegate::live {

class CloudMetrics;

class Runner {
 public:
  static Result<std::unique_ptr<Runner>> create(net::Loop& loop, RunOptions options);
  ~Runner();
  void begin();
  void reload();
  /// Stops taking requests, drains, stops what was started; then calls `done`. A second call: at
  /// once.
  void shutdown(std::function<void()> done);

  net::Address gateway_address() const { return gateway_address_; }
  net::Address admin_address() const { return admin_address_; }
  const KedaFeed* keda() const { return keda_.get(); }
  const ExternalMetrics* external_metrics() const { return external_metrics_.get(); }
  const net::WorldClock& clock() const { return *clock_; }
  const std::vector<std::unique_ptr<ModelRun>>& models() const { return models_; }
  Gateway& gateway() { return *gateway_; }  ///< not with --role controller
  /// Where gateways are heard; none: there is but the one here.
  std::optional<net::Address> gateways_address() const;
  std::string status_json();
  std::string metrics_text();

 private:
  Runner(net::Loop& loop, RunOptions options);
  Result<void> open();
  Result<void> open_state();
  Result<void> open_front();
  // What is in front of the replicas (runner_front.cc).
  Result<void> open_fleet();
  void open_gateway();
  Result<void> open_gateway_listening();
  Result<void> open_follower();
  Result<void> tell_others();
  void stand_by();
  bool one_of_several() const;
  void waits(const std::string& model);
  Result<void> open_models();
  Result<void> add_model(const format::LoadedModel& loaded);
  Result<void> open_operator();
  void begin_operator();
  void tell_cluster_on();
  // What was learned, carried over restarts and leaders (runner_learned.cc).
  void open_learned();
  void carry_learned();
  void give_back_lead(const std::function<void()>& done);
  void announced(const ModelRun& run, const control::Announce& announce);
  Result<void> open_leadership();
  void lead(bool leading);
  Result<void> open_admin();
  Result<void> open_keda();
  Result<void> open_external_metrics();
  void follow_keda();
  RunParts parts();
  void hand_models_to_gateway();
  void hand_models_to_gateway(const std::vector<spec::Model>& specs);
  DataPlane& plane();
  RunFront front() const;
  void stopped(const std::function<void()>& done);
  void watch_files();
  void take_models();
  void end_models(const std::map<std::string, const format::LoadedModel*>& wanted);
  Result<void> take_model(const format::LoadedModel& loaded);
  void stop_strays_once();
  /// Leaving ones too.
  ModelRun* find(const std::string& model) const;
  ModelRun* in_force(const std::string& model) const;
  Result<void> say(const std::string& model, const control::OperatorSaid& said);
  void write_run_file();

  net::Loop& loop_;
  RunOptions options_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<net::WorldClock> clock_;
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<DevicePool> devices_;
  std::unique_ptr<PortPool> ports_;
  std::unique_ptr<kube::Clusters> clusters_;
  std::unique_ptr<aws::Accounts> accounts_;
  std::unique_ptr<net::CurlClient> outside_;
  std::unique_ptr<format::TapeWriter> tape_;
  std::unique_ptr<Scraper> scraper_;
  std::unique_ptr<Gateway> gateway_;          ///< none with --role controller
  std::unique_ptr<link::Fleet> fleet_;        ///< none where no other process counts
  std::unique_ptr<link::Follower> follower_;  ///< where both are: ours is one of whose leads
  std::vector<std::unique_ptr<ModelRun>> models_;
  std::unordered_map<std::string, ModelRun*> by_name_;  ///< of models_
  std::vector<std::unique_ptr<ModelRun>> leaving_;      ///< not wanted any more; draining
  std::unique_ptr<SpecFiles> files_;
  std::unique_ptr<ClusterModels> cluster_models_;   ///< or none
  std::unique_ptr<ClusterReport> report_;           ///< or none
  std::unique_ptr<LearnedMaps> learned_;            ///< or none
  std::string learned_ns_;                          ///< of models that are no objects
  std::unique_ptr<TargetEvents> target_events_;     ///< once there is something to say
  std::unique_ptr<kube::LeaderElection> election_;  ///< none: this process leads
  std::unique_ptr<LeaderNotice> notice_;            ///< beside it
  std::string lease_trouble_;                       ///< said last
  bool leads_ = true;
  std::unique_ptr<GpuWatch> gpus_;
  std::unique_ptr<CloudMetrics> cloud_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<KedaFeed> keda_;                     ///< or none
  std::unique_ptr<ExternalMetrics> external_metrics_;  ///< or none
  net::Address gateway_address_, admin_address_;
  net::Loop::TimerId watch_timer_ = net::Loop::TimerId::kNone;
  net::Loop::TimerId tell_timer_ = net::Loop::TimerId::kNone;
  Instant started_mono_;
  bool closing_ = false, look_again_ = false, strays_stopped_ = false;
};

}  // namespace tidegate::live
