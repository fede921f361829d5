#include "live/kube/event_reader.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "live/net/log.h"
#include "live/net/percent.h"

namespace tidegate::live::kube {

bool EventReader::read(const std::shared_ptr<KubeClient>& client, const std::string& ns,
                       const std::string& uid, Done done) {
  if (waiting_.size() >= kMaxWaiting || loop_.now() < refused_until_) return false;
  waiting_.push_back({client, ns, uid, std::move(done)});
  if (!asking_) next();
  return true;
}

void EventReader::next() {
  asking_ = !waiting_.empty();
  if (!asking_) return;
  Wish wish = std::move(waiting_.front());
  waiting_.pop_front();
  ApiCall call = list({"events.k8s.io/v1", "events", wish.ns}, "", kMostEvents);
  call.query += "&fieldSelector=" + net::percent_encode("regarding.uid=" + wish.uid);
  KubeClient& client = *wish.client;
  client.call(std::move(call), [this, alive = std::weak_ptr(alive_),
                                wish = std::move(wish)](const ApiResult<nlohmann::json>& list) {
    if (!alive.expired()) answered(wish, list);
  });
}

void EventReader::answered(const Wish& wish, const ApiResult<nlohmann::json>& list) {
  if (!list && list.error().code == 403) {
    refused_until_ = loop_.now() + kRefusedRests;
    waiting_.clear();
    if (!std::exchange(refusal_said_, true)) {
      net::log(net::Level::kWarn,
               "pods' Events are not read: pulls are measured by the pods alone, and autoscalers' "
               "words are missing",
               {{"cause", list.error().message}});
    }
  }
  timer_ = loop_.after(pause_, [this] {
    timer_ = net::Loop::TimerId::kNone;
    next();
  });
  wish.done(list);
}

}  // namespace tidegate::live::kube
