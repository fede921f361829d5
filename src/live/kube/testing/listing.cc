// Lists and watches of the API server for tests.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "live/kube/testing/api_server.h"
#include "live/net/clock.h"

namespace tidegate::live::kube {
namespace {

using nlohmann::json;

/// A list's items carry no kind of their own, except those of custom kinds.
json item_of(const ServedKind& kind, const json& object) {
  json out = object;
  if (!kind.custom) {
    out.erase("kind");
    out.erase("apiVersion");
  }
  return out;
}

json metadata_only(const json& object) {
  return {{"kind", "PartialObjectMetadata"},
          {"apiVersion", "meta.k8s.io/v1"},
          {"metadata", object.value("metadata", json::object())}};
}

bool number(std::string_view text, std::uint64_t& out) {
  auto [at, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  return bad == std::errc{} && at == text.data() + text.size();
}

/// Tokens are base64 without padding, as Go writes them into URLs.
std::string token_for(std::uint64_t version, const std::string& after) {
  json token = {{"v", "meta.k8s.io/v1"}, {"rv", version}, {"start", after + '\0'}};
  std::string out = encode_base64(token.dump());
  while (out.ends_with('=')) out.pop_back();
  return out;
}

Answer bad_token(const std::string& token) {
  std::string first = decode_base64(token.substr(0, 2)).value_or("");
  return bad_request("invalid continue token: continue key is not valid: invalid character '" +
                     first.substr(0, 1) + "' looking for beginning of value");
}

/// Which fields a collection can be selected by.
std::string field_fault(const ServedKind& kind, const Selector& fields) {
  static const std::set<std::string> kMeta = {"metadata.name", "metadata.namespace"};
  static const std::map<std::string, std::set<std::string>> kMore = {
      {"/events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "type", "reportingComponent", "source"}},
      {"events.k8s.io/events",
       {"regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
        "regarding.apiVersion", "regarding.resourceVersion", "regarding.fieldPath", "reason",
        "type", "reportingController"}},
      {"/pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "status.phase", "status.podIP"}}};
  const auto more = kMore.find(kind.group + "/" + kind.plural);
  for (const Requirement& one : fields.requirements()) {
    if (kMeta.contains(one.key)) continue;
    if (more == kMore.end()) {
      return "\"" + one.key +
             "\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    }
    if (!more->second.contains(one.key)) return "field label not supported: " + one.key;
  }
  return "";
}

}  // namespace

Answer ApiServer::list(const Asked& asked) {
  auto labels = Selector::parse(asked.query("labelSelector"));
  if (!labels) return bad_request(labels.error().message);
  auto fields = Selector::parse(asked.query("fieldSelector"));
  if (!fields) return bad_request(fields.error().message);
  if (std::string fault = field_fault(*asked.kind, *fields); !fault.empty()) {
    return bad_request(fault);
  }
  std::uint64_t limit = 0, version = store_.version();
  if (std::string text = asked.query("limit"); !text.empty() && !number(text, limit)) {
    return bad_request("limit: \"" + text + "\" is no number");
  }
  std::vector<ObjectPtr> objects;
  std::string token = asked.query("continue");
  if (token.empty()) {
    objects = store_.all(*asked.kind, asked.ns);
    std::erase_if(objects, [&](const ObjectPtr& object) {
      return !labels->matches_labels(*object) || !fields->matches_fields(*object);
    });
  } else {
    json parsed = json::parse(decode_base64(token).value_or(""), nullptr, false);
    if (!parsed.is_object() || !parsed.contains("rv")) return bad_token(token);
    version = parsed["rv"].get<std::uint64_t>();
    auto left = pages_.find(token);
    if (version < store_.compacted() || left == pages_.end()) {
      return failure(410, "Expired",
                     "The provided continue parameter is too old to display a consistent list "
                     "result. You can start a new list without the continue parameter.");
    }
    objects = left->second;
  }
  bool slim =
      asked.http->headers.get("Accept").find("PartialObjectMetadataList") != std::string_view::npos;
  json body = {{"kind", slim ? "PartialObjectMetadataList" : asked.kind->kind + "List"},
               {"apiVersion", slim ? "meta.k8s.io/v1" : asked.kind->api_version()},
               {"metadata", {{"resourceVersion", std::to_string(version)}}},
               {"items", json::array()}};
  const auto table = table_wished(*asked.http);
  std::size_t count = limit == 0 ? objects.size() : std::min<std::size_t>(limit, objects.size());
  for (std::size_t i = 0; i < count; ++i) {
    body["items"].push_back(slim ? metadata_only(*objects[i]) : item_of(*asked.kind, *objects[i]));
  }
  if (count < objects.size()) {
    std::string next =
        token_for(version, (*objects[count - 1])["metadata"]["name"].get<std::string>());
    body["metadata"]["continue"] = next;
    if (labels->empty() && fields->empty()) {
      body["metadata"]["remainingItemCount"] = objects.size() - count;
    }
    pages_[next] = {objects.begin() + static_cast<std::ptrdiff_t>(count), objects.end()};
  }
  if (table) {
    objects.resize(count);
    json rows = table_of(*asked.kind, objects, *table, net::WorldClock::wall_now());
    rows["metadata"] = std::move(body["metadata"]);
    return {200, std::move(rows), "", {}};
  }
  return {200, std::move(body), "", {}};
}

/// Status 200: it may start.
Answer ApiServer::watch_refused(const Asked& asked) const {
  if (!asked.query("sendInitialEvents").empty()) {
    Cause cause{"FieldValueForbidden",
                "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature "
                "gate is enabled",
                "sendInitialEvents"};
    Answer no = invalid("meta.k8s.io", "ListOptions", "", {cause});
    return no;
  }
  std::uint64_t version = 0;
  std::string text = asked.query("resourceVersion");
  if (!text.empty() && !number(text, version)) {
    return failure(500, "",
                   "resourceVersion: Invalid value: \"" + text +
                       "\": strconv.ParseUint: parsing \"" + text + "\": invalid syntax");
  }
  auto labels = Selector::parse(asked.query("labelSelector"));
  if (!labels) return bad_request(labels.error().message);
  return {};
}

void ApiServer::start_watch(const net::ExchangePtr& exchange, const Asked& asked) {
  auto watch = std::make_shared<Watch>();
  watch->exchange = exchange;
  watch->kind = *asked.kind;
  watch->ns = asked.ns;
  watch->labels = Selector::parse(asked.query("labelSelector")).value();
  watch->fields = Selector::parse(asked.query("fieldSelector")).value_or(Selector{});
  watch->table = table_wished(*asked.http);
  watch->bookmarks = asked.query("allowWatchBookmarks") == "true";
  std::string from = asked.query("resourceVersion");
  std::uint64_t timeout = 1800;
  if (std::string text = asked.query("timeoutSeconds"); !text.empty()) number(text, timeout);
  number(from, watch->from);

  net::Headers headers;
  headers.add("Content-Type", "application/json");
  exchange->start(200, headers);
  bool all = from.empty() || from == "0";
  if (!all && watch->from < store_.compacted()) {
    json error = {{"type", "ERROR"}, {"object", too_old(watch->from, store_.compacted()).body}};
    exchange->write(error.dump() + "\n");
    return exchange->finish();
  }
  if (all) {
    for (const ObjectPtr& object : store_.all(watch->kind, watch->ns)) {
      send(*watch, {store_.version(), "ADDED", watch->kind.group + "/" + watch->kind.plural,
                    object->at("metadata").value("namespace", ""), "", object, nullptr});
    }
  } else {
    store_.since(watch->from, [&](const Change& change) { send(*watch, change); });
  }
  watches_.push_back(watch);
  std::weak_ptr<Watch> weak = watch;
  watch->timer = loop_.after(watch_second * static_cast<std::int64_t>(timeout), [this, weak] {
    if (auto late = weak.lock()) end_watch(late);
  });
  exchange->on_closed([this, weak] {
    if (auto left = weak.lock()) {
      loop_.cancel(left->timer);
      std::erase(watches_, left);
    }
  });
}

void ApiServer::send(Watch& watch, const Change& change) const {
  if (change.collection != watch.kind.group + "/" + watch.kind.plural ||
      change.version <= watch.from || (!watch.ns.empty() && change.ns != watch.ns)) {
    return;
  }
  auto matches = [&](const ObjectPtr& object) {
    return object && watch.labels.matches_labels(*object) && watch.fields.matches_fields(*object);
  };
  bool was = matches(change.before), is = change.type != "DELETED" && matches(change.object);
  if (!was && !is) return;
  const char* type = !was ? "ADDED" : is ? "MODIFIED" : "DELETED";
  json object = *change.object;
  if (watch.table) {
    json rows = table_of(watch.kind, {change.object}, *watch.table, net::WorldClock::wall_now());
    if (std::exchange(watch.columns_told, true)) rows["columnDefinitions"] = nullptr;
    rows["metadata"] = {{"resourceVersion", object["metadata"]["resourceVersion"]}};
    object = std::move(rows);
  }
  watch.exchange->write(json{{"type", type}, {"object", std::move(object)}}.dump() + "\n");
}

void ApiServer::bookmark(Watch& watch) const {
  if (!watch.bookmarks) return;
  json object = {
      {"kind", watch.kind.kind},
      {"apiVersion", watch.kind.api_version()},
      {"metadata",
       {{"resourceVersion", std::to_string(store_.version())}, {"creationTimestamp", nullptr}}}};
  if (watch.table) {
    object = {{"kind", "Table"},
              {"apiVersion", watch.table->api_version},
              {"metadata", {{"resourceVersion", std::to_string(store_.version())}}},
              {"columnDefinitions", nullptr},
              {"rows", json::array()}};
  }
  watch.exchange->write(json{{"type", "BOOKMARK"}, {"object", object}}.dump() + "\n");
}

void ApiServer::bookmark() {
  for (const WatchPtr& watch : watches_) bookmark(*watch);
}

void ApiServer::end_watch(const WatchPtr& watch) {
  bookmark(*watch);  // so that the next watch starts where this one ends
  std::erase(watches_, watch);
  watch->exchange->finish();
}

void ApiServer::cut_watches() {
  for (const WatchPtr& watch : std::exchange(watches_, {})) {
    loop_.cancel(watch->timer);
    watch->exchange->write("{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"");
    watch->exchange->abort();
  }
}

}  // namespace tidegate::live::kube
