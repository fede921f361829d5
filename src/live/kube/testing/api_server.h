#pragma once
// ApiServer: an API server for tests, in this process, on our own HTTP server. It keeps to the API
// conventions: a resourceVersion for every write, 409 on a stale one, pages with continue tokens,
// watches with bookmarks, 410 on what is compacted, scale and status subresources, custom kinds,
// server-side apply, dry runs, Status errors in a real server's words.
//
//   ApiServer server(loop);
//   server.put("apps/v1", "deployments", deployment);
//   KubeClient client(loop, server.access());
//
// What it is not: no admission, no controllers (see cluster.h), OpenAPI of custom kinds alone; 403
// only as `forbid` says; tables (table.h) of custom kinds as their definition has them, of others
// name and age. A test cuts, slows and breaks it by the members below. Thread-safety: the loop's
// thread.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "live/kube/access.h"
#include "live/kube/selector.h"
#include "live/kube/testing/answer.h"
#include "live/kube/testing/managed_fields.h"
#include "live/kube/testing/store.h"
#include "live/kube/testing/table.h"
#include "live/net/http_server.h"

namespace tidegate::live::kube {

class ApiServer {
 public:
  /// With `tls` over TLS alone; access() then lacks whom to trust.
  explicit ApiServer(net::Loop& loop, const net::Address& listen = {"127.0.0.1", 0},
                     const std::shared_ptr<net::TlsServer>& tls = nullptr);

  std::string url() const { return scheme_ + address_.text(); }
  const net::Address& address() const { return address_; }
  Access access() const;  ///< plain HTTP, with the first of `tokens`

  // What happens behind the API: controllers and kubelets write here.
  ObjectPtr find(const std::string& api_version, const std::string& plural, const std::string& ns,
                 const std::string& name) const;
  std::vector<ObjectPtr> all(const std::string& api_version, const std::string& plural,
                             const std::string& ns) const;
  ObjectPtr put(const std::string& api_version, const std::string& plural, nlohmann::json object);
  void erase(const std::string& api_version, const std::string& plural, const std::string& ns,
             const std::string& name);
  void serve(const ServedKind& kind) { kinds_.push_back(kind); }
  Store& store() { return store_; }
  /// Told of every write, by whomever.
  std::function<void(const Change&)> on_change;

  // Faults.
  std::set<std::string> tokens;  ///< accepted; empty: anybody is
  std::set<std::string> forbid;  ///< "patch deployments/scale": 403
  /// Answers instead of the server; nullopt: the server answers.
  std::function<std::optional<Answer>(const net::Request&)> fault;
  bool down = false;                   ///< connections are broken without an answer
  Duration watch_second = seconds(1);  ///< how long a second of timeoutSeconds lasts
  void cut_watches();                  ///< in the middle of a line
  void bookmark();                     ///< to every watch that allows them, now
  std::size_t watches() const { return watches_.size(); }
  std::vector<std::string> requests;  ///< "PATCH /apis/...?query" in order

 private:
  /// A request, taken apart.
  struct Asked {
    const net::Request* http = nullptr;
    const ServedKind* kind = nullptr;
    std::string ns, name, subresource;
    std::string query(const char* key) const { return net::query_value(http->query, key); }
    std::string content_type() const;
    bool dry() const { return query("dryRun") == "All"; }
    Writer writer() const;
  };
  struct Watch {
    net::ExchangePtr exchange;
    ServedKind kind;
    std::string ns;
    Selector labels, fields;
    bool bookmarks = false;
    std::optional<TableWish> table;  ///< events are tables, the first with its columns
    bool columns_told = false;
    std::uint64_t from = 0;
    net::Loop::TimerId timer = net::Loop::TimerId::kNone;
  };
  using WatchPtr = std::shared_ptr<Watch>;

  void handle(const net::ExchangePtr& exchange);
  static void respond(net::Exchange& exchange, const Answer& answer);
  std::optional<Answer> refused(const net::Request& request, const Asked& asked) const;
  std::optional<Answer> review(const net::Request& request) const;
  Answer answer(const net::Request& request);
  const ServedKind* kind(const std::string& api_version, const std::string& plural) const;
  bool serves(const std::string& api_version) const;
  bool take_apart(const net::Request& request, Asked& asked, Answer& error) const;

  Answer discovery(const std::string& path) const;
  Answer read(const Asked& asked) const;
  Answer list(const Asked& asked);
  Answer watch_refused(const Asked& asked) const;
  void start_watch(const net::ExchangePtr& exchange, const Asked& asked);
  void send(Watch& watch, const Change& change) const;
  void bookmark(Watch& watch) const;
  void end_watch(const WatchPtr& watch);

  Answer create(const Asked& asked);
  Answer replace(const Asked& asked);
  Answer patch(const Asked& asked);
  Answer apply(const Asked& asked, const nlohmann::json& config);
  Answer remove(const Asked& asked);
  Answer bind(const Asked& asked);
  Answer write(const Asked& asked, const ObjectPtr& before, nlohmann::json object);
  Answer store(const Asked& asked, const ObjectPtr& before, nlohmann::json object,
               std::vector<std::string> warnings);

  Answer scale_of(const Asked& asked, const nlohmann::json& object) const;
  Answer write_scale(const Asked& asked);
  Answer take_scale(const Asked& asked, const ObjectPtr& before, const nlohmann::json& scale);

  net::Loop& loop_;
  Store store_;
  std::vector<ServedKind> kinds_ = built_in_kinds();
  std::vector<WatchPtr> watches_;
  std::map<std::string, std::vector<ObjectPtr>> pages_;  ///< what is left, by continue token
  net::HttpServer server_;
  std::string scheme_;
  net::Address address_;
};

/// Whether a patch of this type may be sent here; the refusal if not.
std::optional<Answer> unacceptable_patch(const ServedKind& kind, const std::string& content_type,
                                         const std::string& subresource);

}  // namespace tidegate::live::kube
