#pragma once
// Informer: follows every object of one collection that a label selector picks.
//
//   Informer pods(client, {"v1", "pods", "serve"}, "app=m-8b", handler, options);
//   pods.start();
//
// Lists in pages, the first time as fast as they come, then watches from there. A watch that the
// server ends goes on from the last version seen (bookmarks count); one that is cut or refused too,
// after a back-off; 410 lists again, and what is not in the new list is removed. Only names and
// versions are kept: the owner keeps what it needs of an object, hears of nothing twice, and may
// neither stop nor destroy it from inside a handler. While the server is gone nothing is removed.
// Back-off doubles from `first_wait` to `longest_wait`, each with a share of chance. Wall time.
// Thread-safety: the loop's thread. Source: client-go's Reflector.

#include <functional>
#include <map>
#include <string>

#include "core/base/rng.h"
#include "live/kube/client.h"

namespace tidegate::live::kube {

struct InformerHandler {
  /// New, or another version than the one told before.
  std::function<void(const std::string& key, const nlohmann::json& object)> changed;
  std::function<void(const std::string& key)> removed;
  /// A list is complete, or the server takes our watch again after trouble.
  std::function<void()> in_step;
  /// Each time something fails; told again while it does.
  std::function<void(const ApiError& error)> trouble;
};

struct InformerOptions {
  int page = 100;  ///< objects parsed at once: the loop's other work waits that long
  /// Between the pages of a list that is not the first: what is known serves meanwhile.
  Duration page_pause = millis(100);
  Duration first_wait = millis(800);
  Duration longest_wait = seconds(30);
  Duration watch_least = seconds(300), watch_most = seconds(600);
  std::uint64_t seed = 1;
};

class Informer {
 public:
  Informer(KubeClient& client, Resource resource, std::string selector, InformerHandler handler,
           InformerOptions options = {});
  ~Informer();
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  void start();
  void stop();
  std::size_t size() const { return known_.size(); }
  std::size_t lists() const { return lists_; }             ///< complete ones so far
  const std::string& version() const { return version_; }  ///< seen last; empty: none

 private:
  void list(const std::string& token);
  void listed(ApiResult<nlohmann::json> answer);
  void next_page(std::string token);
  void list_done(std::string version);
  void watch();
  void event(const std::string& type, const nlohmann::json& object);
  void seen(const nlohmann::json& object);
  void failed(const ApiError& error);
  void wait_then(std::function<void()> next);

  KubeClient& client_;
  Resource resource_;
  std::string selector_;
  InformerHandler handler_;
  InformerOptions options_;
  Rng chance_;
  std::map<std::string, std::string> known_;   ///< namespace/name -> resourceVersion
  std::map<std::string, std::string> before_;  ///< known when the list under way began
  std::string version_;                        ///< of the whole; empty: to be listed
  Duration wait_{0};
  bool troubled_ = false;
  std::size_t lists_ = 0;
  KubeClient::CallId call_ = KubeClient::CallId::kNone;
  net::Loop::TimerId timer_ = net::Loop::TimerId::kNone;
};

}  // namespace tidegate::live::kube
