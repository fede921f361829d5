#include "live/kube/informer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "live/kube/json_parts.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

std::string key_of(const json& object) {
  return text(object, "metadata", "namespace") + "/" + text(object, "metadata", "name");
}

}  // namespace

Informer::Informer(KubeClient& client, Resource resource, std::string selector,
                   InformerHandler handler, InformerOptions options)
    : client_(client),
      resource_(std::move(resource)),
      selector_(std::move(selector)),
      handler_(std::move(handler)),
      options_(options),
      chance_(options.seed, "kube.informer." + resource_.path() + "?" + selector_),
      wait_(options.first_wait) {}

Informer::~Informer() { stop(); }

void Informer::start() {
  if (call_ == KubeClient::CallId::kNone && timer_ == net::Loop::TimerId::kNone) list("");
}

void Informer::stop() {
  client_.cancel(call_);
  call_ = KubeClient::CallId::kNone;
  client_.loop().cancel(timer_);
  timer_ = net::Loop::TimerId::kNone;
}

void Informer::list(const std::string& token) {
  if (token.empty()) before_ = known_;
  call_ = client_.call(kube::list(resource_, selector_, options_.page, token),
                       [this](ApiResult<json> answer) { listed(std::move(answer)); });
}

void Informer::listed(ApiResult<json> answer) {
  call_ = KubeClient::CallId::kNone;
  if (!answer) return failed(answer.error());  // also 410 amid the pages: from the first again
  auto items = answer->find("items");
  if (items == answer->end() || (!items->is_array() && !items->is_null())) {
    return failed({.reason = "NotAList", .message = "list " + resource_.path() + ": no items"});
  }
  for (const json& item : *items) {
    before_.erase(key_of(item));
    seen(item);
  }
  if (std::string next = text(*answer, "metadata", "continue"); !next.empty()) {
    return next_page(std::move(next));
  }
  list_done(text(*answer, "metadata", "resourceVersion"));
}

void Informer::next_page(std::string token) {
  if (lists_ == 0) return list(token);
  timer_ = client_.loop().after(options_.page_pause, [this, token = std::move(token)] {
    timer_ = net::Loop::TimerId::kNone;
    list(token);
  });
}

void Informer::list_done(std::string version) {
  version_ = std::move(version);
  ++lists_;
  auto missing = std::move(before_);
  before_.clear();
  for (const auto& [key, was] : missing) {
    known_.erase(key);
    handler_.removed(key);
  }
  troubled_ = false;
  watch();
  handler_.in_step();
}

void Informer::watch() {
  std::int64_t span = (options_.watch_most - options_.watch_least).count();
  Duration length =
      options_.watch_least + Duration(static_cast<std::int64_t>(chance_.uniform() * double(span)));
  call_ = client_.watch(
      kube::watch(resource_, selector_, version_, length),
      {.on_open =
           [this] {
             if (std::exchange(troubled_, false)) handler_.in_step();
           },
       .on_event = [this](const std::string& type, const json& object) { event(type, object); },
       .on_end =
           [this](std::optional<ApiError> error) {
             call_ = KubeClient::CallId::kNone;
             if (error) return failed(*error);
             // Closed whole. One that ends at once, again and again, must not spin.
             wait_then([this] { watch(); });
           }});
}

void Informer::event(const std::string& type, const json& object) {
  if (std::string version = text(object, "metadata", "resourceVersion"); !version.empty()) {
    version_ = version;
  }
  wait_ = options_.first_wait;
  if (type == "DELETED") {
    if (known_.erase(key_of(object)) > 0) handler_.removed(key_of(object));
  } else if (type != "BOOKMARK") {
    seen(object);
  }
}

void Informer::seen(const json& object) {
  std::string key = key_of(object);
  std::string& version = known_[key];
  std::string now = text(object, "metadata", "resourceVersion");
  if (!now.empty() && version == now) return;
  version = now;
  handler_.changed(key, object);
}

void Informer::failed(const ApiError& error) {
  bool first = !troubled_;
  if (error.expired()) {
    version_.clear();
  } else {
    troubled_ = true;
    handler_.trouble(error);
  }
  // What we know is old: list at once the first time, then as patiently as anything else.
  if (error.expired() && first && wait_ == options_.first_wait) {
    wait_ = wait_ * 2;
    return list("");
  }
  wait_then([this] { version_.empty() ? list("") : watch(); });
}

void Informer::wait_then(std::function<void()> next) {
  Duration wait =
      Duration(static_cast<std::int64_t>(double(wait_.count()) * (0.5 + 0.5 * chance_.uniform())));
  wait_ = std::min(wait_ * 2, options_.longest_wait);
  timer_ = client_.loop().after(wait, [this, next = std::move(next)] {
    timer_ = net::Loop::TimerId::kNone;
    next();
  });
}

}  // namespace tidegate::live::kube
