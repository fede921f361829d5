#include "live/fleet_link/client.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

#include "live/fleet_link/client_stream.h"
#include "live/fleet_link/tls_credentials.h"
#include "live/net/log.h"
#include "live/rpc/grpc_log.h"

namespace tidegate::live::link {
namespace {

/// Every address of every name, numeric; what cannot be resolved is said in `trouble`.
std::vector<Attempt::Place> resolve(const std::vector<net::Address>& names, std::string& trouble) {
  std::vector<Attempt::Place> out;
  for (const net::Address& name : names) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* list = nullptr;
    const int failed = getaddrinfo(name.host.c_str(), nullptr, &hints, &list);
    if (failed != 0) {
      trouble = fmt::format("cannot resolve \"{}\": {}", name.host, gai_strerror(failed));
      continue;
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
      char text[NI_MAXHOST];
      if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) !=
          0) {
        continue;
      }
      const net::Address one{text, name.port};
      const bool known = std::any_of(out.begin(), out.end(),
                                     [&](const Attempt::Place& p) { return p.address == one; });
      if (!known && out.size() < Client::kMaxAddresses) out.push_back({one, name.host});
    }
  }
  return out;
}

/// How a thread that may outlive the client reaches it.
struct Bridge {
  std::mutex mutex;
  net::Loop* loop;  ///< none: the client is gone
  void post(net::Loop::Callback what) {
    std::lock_guard lock(mutex);
    if (loop != nullptr) loop->post(std::move(what));
  }
};

bool of_this_machine(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

/// What to do about it, where gRPC's words say no more than that a handshake failed.
std::string fix(const std::string& words, const ClientTls& tls, const Attempt::Place& place,
                bool pinned) {
  auto says = [&](const char* part) { return words.find(part) != std::string::npos; };
  if (pinned && of_this_machine(place.address.host) && says("failed to connect")) {
    return "; the process that leads hears those of its own machine alone: give each "
           "--gateway-address HOST:PORT and --gateway-token-file FILE";
  }
  if (pinned) return "";
  if (says("certificate verify failed")) {
    return "; --leader-tls-ca " + tls.ca_file + " does not vouch for its certificate";
  }
  if (says("Hostname Verification")) {
    return fmt::format("; its certificate does not stand for \"{}\", as --leader calls it",
                       place.name);
  }
  if (says("wrong version number")) {
    return "; it speaks plaintext: give it --gateway-tls-cert and --gateway-tls-key";
  }
  const bool cut = says("Socket closed") || says("Connection reset") || says("Broken pipe");
  if (!says("failed to connect") || !cut) return "";
  if (!tls.on()) return "; if it speaks TLS: --leader-tls-ca FILE";
  return tls.certificate_file.empty()
             ? "; if it asks for a certificate: --leader-tls-cert and --leader-tls-key"
             : "; is --leader-tls-cert " + tls.certificate_file + " of its client CA?";
}

std::string words(const Attempt::Place& place, const grpc::Status& status, const ClientTls& tls,
                  bool pinned) {
  const std::string& said = status.error_message();
  return fmt::format("{}: {}{}", place.address.text(), said.empty() ? "the stream ended" : said,
                     fix(said, tls, place, pinned));
}

}  // namespace

struct Client::State : std::enable_shared_from_this<Client::State> {
  State(net::Loop& its_loop, ClientOptions its_options, ClientHooks its_hooks)
      : loop(its_loop),
        options(std::move(its_options)),
        hooks(std::move(its_hooks)),
        shown(credentials(options.tls)) {}

  void seek();
  void ask_leader();
  void try_next();
  void pause();
  void failed(const std::string& why);
  void on_read(const std::shared_ptr<Attempt>& from, const wire::FromLeader& message);
  void on_done(const std::shared_ptr<Attempt>& from, const grpc::Status& status);
  Attempt::Hooks attempt_hooks();
  template <class F>
  void post(F what) {
    bridge->post([weak = weak_from_this(), what = std::move(what)] {
      if (auto state = weak.lock(); state != nullptr && !state->closing) what(*state);
    });
  }

  net::Loop& loop;
  const ClientOptions options;
  const ClientHooks hooks;
  std::shared_ptr<Bridge> bridge = std::make_shared<Bridge>();
  std::shared_ptr<grpc::ChannelCredentials> shown;  ///< to whom is tried
  std::vector<Attempt::Place> round;                ///< yet to be tried, the next one last
  std::shared_ptr<Attempt> attempt;
  bool connected = false, closing = false;
  bool too_late = false;  ///< this attempt was given up
  Duration wait = kFirstPause;
  std::string trouble;
  std::set<std::string> told;  ///< of it, since a leader was lost
  static constexpr std::size_t kMostTold = 64;
  net::Loop::TimerId timer = net::Loop::TimerId::kNone;
};

/// A new round. Names may take long to resolve: not on the loop's thread.
void Client::State::seek() {
  if (options.leader) return ask_leader();
  std::thread([bridge = bridge, weak = weak_from_this(), names = options.leaders] {
    std::string trouble;
    std::vector<Attempt::Place> found = resolve(names, trouble);
    bridge->post([weak, found = std::move(found), trouble = std::move(trouble)] {
      auto state = weak.lock();
      if (state == nullptr || state->closing) return;
      if (!trouble.empty()) state->failed(trouble);
      state->round = {found.rbegin(), found.rend()};
      state->try_next();
    });
  }).detach();
}

/// Later: from inside a call of ours nobody is to be told.
void Client::State::ask_leader() {
  post([](State& s) {
    const std::optional<LeaderPlace> leader = s.options.leader();
    if (!leader) {
      s.failed("nobody is known to lead: no process holds the Lease");
      return s.pause();
    }
    s.shown = vouched_for(leader->certificate_pem);
    s.round = {{leader->address, leader->server_name}};
    s.try_next();
  });
}

void Client::State::try_next() {
  if (round.empty()) return pause();
  attempt = std::make_shared<Attempt>(round.back(), shown, options.token, attempt_hooks());
  round.pop_back();
  Hello hello = options.hello;
  if (options.remember) options.remember(hello);
  attempt->begin(hello);
  too_late = false;
  timer = loop.after(kPatience, [this] {
    too_late = true;
    attempt->end();
  });
}

void Client::State::pause() {
  timer = loop.after(std::min(wait, options.longest_pause), [this] { seek(); });
  wait = std::min(wait * 2, options.longest_pause);
}

void Client::State::failed(const std::string& why) {
  // Once each while there is none: several places give their reasons in turn.
  if (told.size() < kMostTold && told.insert(why).second) {
    net::log(net::Level::kWarn, "no leader", {{"detail", why}});
  }
  trouble = why;
}

Attempt::Hooks Client::State::attempt_hooks() {
  auto to_loop = [weak = weak_from_this()](auto what) {
    if (auto state = weak.lock()) state->post(std::move(what));
  };
  return {
      .read =
          [to_loop](const std::shared_ptr<Attempt>& from, wire::FromLeader message) {
            to_loop([from, message = std::move(message)](State& s) { s.on_read(from, message); });
          },
      .written =
          [to_loop](const std::shared_ptr<Attempt>& from) {
            to_loop([from](State& s) {
              if (from == s.attempt && s.connected) s.hooks.writable();
            });
          },
      .done =
          [to_loop](std::shared_ptr<Attempt> from, grpc::Status status) {
            to_loop([from = std::move(from), status = std::move(status)](State& s) {
              s.on_done(from, status);
            });
          }};
}

void Client::State::on_read(const std::shared_ptr<Attempt>& from, const wire::FromLeader& message) {
  if (from != attempt) return;
  if (!connected) {
    loop.cancel(timer);
    connected = true;
    wait = kFirstPause;
    trouble.clear();
    told.clear();
    round.clear();
    hooks.found(attempt->address());
  }
  hooks.news(news_of(message));
  from->next();
}

void Client::State::on_done(const std::shared_ptr<Attempt>& from, const grpc::Status& status) {
  if (from != attempt) return;
  loop.cancel(timer);
  const std::string why =
      too_late ? from->address().text() + ": no answer"
               : words(from->place(), status, options.tls, options.leader != nullptr);
  attempt.reset();
  if (std::exchange(connected, false)) {
    trouble = why;
    hooks.lost(why);
    return seek();
  }
  failed(why);
  try_next();
}

Client::Client(net::Loop& loop, ClientOptions options, ClientHooks hooks)
    : state_(std::make_shared<State>(loop, std::move(options), std::move(hooks))) {
  rpc::log_grpc_with_ours();
  state_->bridge->loop = &loop;
}

Client::~Client() {
  State& s = *state_;
  s.closing = true;
  s.loop.cancel(s.timer);
  if (s.attempt != nullptr) {
    s.attempt->end();
    s.attempt->wait_done();
    s.attempt.reset();  // here, not on a thread of gRPC's
  }
  std::lock_guard lock(s.bridge->mutex);
  s.bridge->loop = nullptr;
}

void Client::start() { state_->seek(); }
bool Client::connected() const { return state_->connected; }
net::Address Client::leader() const {
  return connected() ? state_->attempt->address() : net::Address{"", 0};
}
const std::string& Client::trouble() const { return state_->trouble; }

bool Client::send(const Report& report) {
  return connected() && state_->attempt->send(to_wire(report));
}

}  // namespace tidegate::live::link
