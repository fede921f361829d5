// The stream over TLS: who is let in, whom a gateway believes, and files that change.
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "live/fleet_link/test_fleet.h"
#include "live/net/clock.h"
#include "live/net/tls/test_authority.h"

namespace tidegate::live::link {
namespace {

using testing::HasSubstr;

class LinkTlsTest : public LinkWorld {
 protected:
  static constexpr const char* kNames = "DNS:localhost,IP:127.0.0.1";

  LinkTlsTest() {
    write("server", ca.issue({.common_name = "controllers", .names = kNames}));
    write("gateway", ca.issue({.common_name = "gateway"}));
    write("stranger", other.issue({.common_name = "gateway"}));
    write("elsewhere", ca.issue({.common_name = "x", .names = "DNS:other.internal"}));
    write("ca.crt", ca.pem());
    write("other.crt", other.pem());
  }
  static std::string path(const std::string& name) {
    return name.empty() ? name : testing::TempDir() + "link-" + std::to_string(getpid()) + name;
  }
  static void write(const std::string& name, const std::string& text) {
    const std::string fresh = path(name) + ".new";
    std::ofstream(fresh) << text;
    std::rename(fresh.c_str(), path(name).c_str());
  }
  static void write(const std::string& name, const net::KeyPair& pair) {
    write(name + ".crt", pair.certificate_pem);
    write(name + ".key", pair.key_pem);
  }
  static ServerTls shows(const std::string& pair, const std::string& client_ca = "") {
    return {path(pair + ".crt"), path(pair + ".key"), path(client_ca), 1};
  }
  static ClientTls trusts(const std::string& ca_file, const std::string& pair = "") {
    return {path(ca_file), pair.empty() ? "" : path(pair + ".crt"),
            pair.empty() ? "" : path(pair + ".key"), 1};
  }
  std::unique_ptr<TestLeader> tls_leader(ServerTls tls) {
    FleetOptions options;
    options.server.tls = std::move(tls);
    return leader(std::move(options));
  }
  std::unique_ptr<TestGateway> tls_gateway(const TestLeader& of, const std::string& host,
                                           ClientTls tls, std::uint64_t incarnation = 5) {
    return std::make_unique<TestGateway>(
        *loop, clock, upstream, models, std::vector<net::Address>{{host, of.fleet->address().port}},
        "gw-" + std::to_string(incarnation), incarnation, "", std::move(tls));
  }

  net::TestAuthority ca{"ca", net::WorldClock::wall_now()};
  net::TestAuthority other{"other", net::WorldClock::wall_now()};
};

TEST_F(LinkTlsTest, WhoBelievesTheCertificateAndIsBelievedIsLetIn) {
  struct Row {
    const char* label;
    ServerTls leader;
    ClientTls gateway;
    const char* host;
    const char* says;  ///< why not; empty: it is let in
  };
  const Row rows[] = {
      {"by the name of --leader", shows("server"), trusts("ca.crt"), "localhost", ""},
      {"by an address", shows("server"), trusts("ca.crt"), "127.0.0.1", ""},
      {"the certificate itself is a CA, too", shows("server"), trusts("server.crt"), "localhost",
       ""},
      {"with a certificate of its own", shows("server", "ca.crt"), trusts("ca.crt", "gateway"),
       "localhost", ""},
      {"plaintext to TLS", shows("server"), {}, "127.0.0.1", "--leader-tls-ca"},
      {"TLS to plaintext", {}, trusts("ca.crt"), "127.0.0.1", "--gateway-tls-cert"},
      {"another CA", shows("server"), trusts("other.crt"), "127.0.0.1", "--leader-tls-ca"},
      {"another name", shows("elsewhere"), trusts("ca.crt"), "127.0.0.1", "\"127.0.0.1\""},
      {"without a certificate where one is asked for", shows("server", "ca.crt"), trusts("ca.crt"),
       "127.0.0.1", "--leader-tls-cert"},
      {"a certificate of a stranger", shows("server", "ca.crt"), trusts("ca.crt", "stranger"),
       "127.0.0.1", "of its client CA"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    auto one = tls_leader(row.leader);
    auto a = tls_gateway(*one, row.host, row.gateway);
    if (*row.says == 0) {
      until([&] { return a->follower.leader().connected; }, row.label);
      EXPECT_EQ(one->connected(), 1u);
      continue;
    }
    until([&] { return !a->follower.leader().trouble.empty(); }, row.label);
    EXPECT_THAT(a->follower.leader().trouble, HasSubstr(row.says));
    EXPECT_FALSE(a->follower.leader().connected);
    EXPECT_EQ(one->connected(), 0u);
  }
}

TEST_F(LinkTlsTest, FilesThatChangeAreTakenUpByTheNextStream) {
  // Both at once: gRPC looks at files each second at most.
  write("old.crt", ca.pem());
  write("new", other.issue({.common_name = "controllers", .names = kNames}));
  auto one = tls_leader(shows("server")), two = tls_leader(shows("new"));
  auto a = tls_gateway(*one, "localhost", trusts("ca.crt"));
  auto b = tls_gateway(*two, "localhost", trusts("old.crt"), 6);
  until([&] { return a->follower.leader().connected; }, "a stream");
  until([&] { return b->follower.leader().trouble.find("--leader-tls-ca") != std::string::npos; },
        "it trusts the CA of before");
  write("server", other.issue({.common_name = "controllers", .names = kNames}));
  write("old.crt", other.pem());
  auto c = tls_gateway(*one, "localhost", trusts("other.crt"), 7);
  until([&] { return c->follower.leader().connected; }, "the controller shows the new one");
  EXPECT_TRUE(a->follower.leader().connected) << "what is open goes on";
  until([&] { return b->follower.leader().connected; }, "the gateway trusts the new one");
}

TEST(LinkTls, FilesThatDoNotFitAreNamedWithTheirFlag) {
  net::TestAuthority ca("ca", net::WorldClock::wall_now());
  const net::KeyPair one = ca.issue({.common_name = "a"}), two = ca.issue({.common_name = "b"});
  auto file = [](const std::string& name, const std::string& text) {
    std::string path = testing::TempDir() + std::to_string(getpid()) + "linkfile-" + name;
    std::ofstream(path) << text;
    return path;
  };
  const std::string crt = file("a.crt", one.certificate_pem), key = file("a.key", one.key_pem),
                    wrong = file("b.key", two.key_pem), empty = file("empty", "");
  const std::pair<ServerTls, const char*> servers[] = {
      {{crt, "", ""}, "--gateway-tls-key is missing"},
      {{"", key, ""}, "--gateway-tls-cert is missing"},
      {{"", "", crt}, "needs --gateway-tls-cert"},
      {{crt, wrong, ""}, "linkfile-b.key"},
      {{crt, key, empty}, "--gateway-tls-client-ca"},
      {{"/no/such", key, ""}, "/no/such"},
  };
  for (const auto& [tls, says] : servers) {
    auto checked = rpc::check(tls, "--gateway-tls");
    ASSERT_FALSE(checked) << says;
    EXPECT_THAT(checked.error().message, HasSubstr(says));
  }
  const std::pair<ClientTls, const char*> clients[] = {
      {{"", crt, key}, "need --leader-tls-ca"},
      {{crt, crt, ""}, "--leader-tls-key is missing"},
      {{"/no/such", "", ""}, "--leader-tls-ca /no/such"},
      {{key, "", ""}, "--leader-tls-ca"},
      {{empty, "", ""}, "--leader-tls-ca"},
  };
  for (const auto& [tls, says] : clients) {
    auto checked = check(tls);
    ASSERT_FALSE(checked) << says;
    EXPECT_THAT(checked.error().message, HasSubstr(says));
  }
  EXPECT_TRUE(rpc::check(ServerTls{}, "--gateway-tls"));
  EXPECT_TRUE(check(ClientTls{}));
  EXPECT_TRUE(rpc::check(ServerTls{crt, key, crt}, "--gateway-tls"));
  EXPECT_TRUE(check(ClientTls{crt, crt, key}));
}

}  // namespace
}  // namespace tidegate::live::link
