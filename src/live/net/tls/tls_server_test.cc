#include "live/net/tls/tls_server.h"

#include <filesystem>
#include <fstream>

#include "core/base/rng.h"
#include "live/net/tls/test_authority.h"
#include "live/net/tls/test_tls_client.h"

namespace tidegate::net {
namespace {

using State = TlsStream::State;
const WallTime kNow = WallTime::from_unix_nanos(1'790'000'000'000'000'000);

const TestAuthority& authority() {
  static const TestAuthority ca("ca", kNow);
  return ca;
}
KeyPair server_pair(const std::string& name = "server") {
  return authority().issue({.common_name = name});
}
std::shared_ptr<TlsServer> server(AskClient ask = AskClient::kNo) {
  return TlsServer::create({.pair = server_pair(), .ask = ask}).value();
}

/// Both ends, and what the server's has read.
struct Pair {
  TestTlsClient client;
  std::unique_ptr<TlsStream> stream;
  std::string plain;

  Pair(TlsServer& tls, const TestTlsWish& wish) : client(wish), stream(tls.accept()) { pump(); }
  /// Hands bytes over until both are silent.
  void pump() {
    for (;;) {
      std::string wire, up = client.take();
      if (!up.empty()) stream->receive(up, plain, wire);
      if (wire.empty()) return;
      client.receive(wire);
    }
  }
  void to_client(std::string_view bytes) {
    std::string wire;
    stream->send(bytes, wire);
    client.receive(wire);
  }
};

TEST(TlsServer, SpeaksTls12And13AndNothingOlder) {
  auto tls = server();
  for (int version : {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION}) {
    Pair ends(*tls, {.least = version, .most = version});
    const bool taken = version >= TLS1_2_VERSION;
    EXPECT_EQ(ends.client.open(), taken) << version;
    EXPECT_EQ(ends.stream->state(), taken ? State::kOpen : State::kFailed) << version;
    EXPECT_EQ(ends.stream->error(), taken ? "" : "unsupported protocol") << version;
  }
}

TEST(TlsServer, ChoosesHttp11WhereTheClientHasIt) {
  auto tls = server();
  struct Case {
    const char* label;
    std::string offered;
    std::string chosen;
    bool taken;
  };
  const Case cases[] = {
      {"as Go offers them", std::string("\x02h2\x08http/1.1"), "http/1.1", true},
      {"http/1.1 alone", std::string("\x08http/1.1"), "http/1.1", true},
      {"no ALPN", "", "", true},
      {"h2 alone is refused: RFC 7301", std::string("\x02h2"), "", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    Pair ends(*tls, {.protocols = c.offered});
    EXPECT_EQ(ends.client.open(), c.taken) << ends.client.error;
    EXPECT_EQ(ends.client.protocol(), c.chosen);
  }
}

TEST(TlsServer, CarriesAMegabyteBothWaysHoweverItIsCut) {
  auto tls = server();
  Pair ends(*tls, {});
  std::string sent(1 << 20, 'x');
  for (std::size_t i = 0; i < sent.size(); i += 97) sent[i] = static_cast<char>('a' + i % 23);
  ends.client.send(sent);
  std::string wire = ends.client.take(), back;
  for (std::size_t at = 0; at < wire.size(); at += 1013) {
    ends.stream->receive(std::string_view(wire).substr(at, 1013), ends.plain, back);
  }
  EXPECT_EQ(ends.plain, sent);
  ends.to_client(sent);
  EXPECT_EQ(ends.client.in, sent);
}

TEST(TlsServer, ACloseIsSaidAndHeard) {
  auto tls = server();
  Pair ends(*tls, {});
  ends.client.send("last words");
  ends.client.end();
  ends.pump();
  EXPECT_EQ(ends.plain, "last words");
  EXPECT_EQ(ends.stream->state(), State::kEnded);
  ends.to_client("an answer still goes");
  std::string wire;
  ends.stream->end(wire);
  ends.client.receive(wire);
  EXPECT_EQ(ends.client.in, "an answer still goes");
  EXPECT_TRUE(ends.client.ended);
}

TEST(TlsServer, HandsOverWhatTheClientShowsWhoeverSignedIt) {
  auto tls = server(AskClient::kForCertificate);
  TestAuthority other("other", kNow), middle("middle", kNow, &authority());
  KeyPair direct = authority().issue({.common_name = "direct"});
  KeyPair through = middle.issue({.common_name = "through"});
  through.certificate_pem += middle.pem();
  struct Case {
    const char* label;
    KeyPair pair;
    std::size_t shown;
  };
  const Case cases[] = {
      {"nothing", {}, 0},
      {"one certificate", direct, 1},
      {"a chain", through, 2},
      {"an expired one", authority().issue({.common_name = "late", .until = seconds(-1)}), 1},
      {"one of an unknown CA", other.issue({.common_name = "who"}), 1},
  };
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const Case& c : cases) {
      SCOPED_TRACE(c.label);
      Pair ends(*tls, {.least = version, .most = version, .pair = c.pair});
      ASSERT_TRUE(ends.client.open()) << ends.client.error;
      auto chain = ends.stream->peer_chain();
      ASSERT_EQ(chain.size(), c.shown);
      if (c.shown == 0) continue;
      EXPECT_EQ(chain, chain_of(c.pair.certificate_pem));
    }
  }
}

TEST(TlsServer, ACertificateWithoutItsKeyIsNoProof) {
  auto tls = server(AskClient::kForCertificate);
  // The client signs with a key that is not the certificate's: its own OpenSSL would refuse, so the
  // proof is broken on the wire instead, in a byte of the last record.
  TestTlsClient client({.least = TLS1_2_VERSION,
                        .most = TLS1_2_VERSION,
                        .pair = authority().issue({.common_name = "a"})});
  auto stream = tls->accept();
  std::string plain, wire;
  stream->receive(client.take(), plain, wire);
  client.receive(wire);
  std::string flight = client.take();
  // TLS 1.2 in clear: certificate, key exchange, certificate verify, change cipher spec, finished.
  const std::size_t change = flight.find(std::string("\x14\x03\x03\x00\x01\x01", 6));
  ASSERT_NE(change, std::string::npos);
  flight[change - 3] ^= 1;  // inside the signature
  wire.clear();
  EXPECT_EQ(stream->receive(flight, plain, wire), State::kFailed);
  EXPECT_FALSE(wire.empty());  // the alert
  EXPECT_EQ(plain, "");
}

TEST(TlsServer, RenegotiationIsRefused) {
  auto tls = server();
  Pair ends(*tls, {.least = TLS1_2_VERSION, .most = TLS1_2_VERSION});
  ASSERT_TRUE(ends.client.open());
  ASSERT_EQ(SSL_renegotiate(ends.client.ssl()), 1);
  SSL_do_handshake(ends.client.ssl());
  ends.pump();
  EXPECT_TRUE(ends.client.failed);
  EXPECT_EQ(ends.client.error, "no renegotiation");
  EXPECT_EQ(ends.plain, "");
}

TEST(TlsServer, ASessionWithAClientCertificateIsNotResumed) {
  auto tls = server(AskClient::kForCertificate);
  const TestTlsWish wish{.pair = authority().issue({.common_name = "a"})};
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TestTlsWish one = wish;
    one.least = one.most = version;
    Pair first(*tls, one);
    ASSERT_TRUE(first.client.open());
    SSL_SESSION* session = SSL_get1_session(first.client.ssl());
    EXPECT_FALSE(SSL_SESSION_has_ticket(session)) << version;
    unsigned size = 0;
    SSL_SESSION_get_id(session, &size);
    EXPECT_TRUE(version != TLS1_2_VERSION || size == 0);
    SSL_SESSION_free(session);
  }
}

TEST(TlsServer, NoBytesWhateverOpenAConnectionOrBreakMoreThanTheirOwn) {
  auto tls = server(AskClient::kForCertificate);
  Rng chance(7, "garbage");
  for (int round = 0; round < 400; ++round) {
    auto stream = tls->accept();
    std::string bytes;
    if (round % 2 == 0) {
      for (std::uint64_t n = chance.below(600); n > 0; --n) {
        bytes.push_back(static_cast<char>(chance.below(256)));
      }
    } else {  // a true hello with some bytes changed, and perhaps cut
      bytes = TestTlsClient().take();
      for (std::uint64_t n = 1 + chance.below(8); n > 0; --n) {
        bytes[chance.below(bytes.size())] = static_cast<char>(chance.below(256));
      }
      bytes.resize(bytes.size() - chance.below(bytes.size()) / 4);
    }
    std::string plain, wire;
    State state = stream->receive(bytes, plain, wire);
    EXPECT_NE(state, State::kOpen);
    EXPECT_EQ(plain, "");
    if (state == State::kFailed) {
      EXPECT_FALSE(stream->error().empty());
      EXPECT_EQ(stream->receive("more", plain, wire), State::kFailed);
    }
  }
  Pair after(*tls, {});
  EXPECT_TRUE(after.client.open());
}

TEST(TlsServer, AMessageTooLongForAChainIsRefused) {
  auto tls = server(AskClient::kForCertificate);
  KeyPair pair = authority().issue({.common_name = "a"});
  while (pair.certificate_pem.size() < 3 * TlsServer::kMaxPeerChain) {
    pair.certificate_pem += authority().pem();
  }
  Pair ends(*tls, {.pair = pair});
  EXPECT_EQ(ends.stream->state(), State::kFailed);
  EXPECT_EQ(ends.stream->error(), "excessive message size");
}

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("tls-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) const { return (folder_ / name).string(); }
  void write(const char* name, const std::string& text) const {
    std::ofstream(path(name) + ".new") << text;
    std::filesystem::rename(path(name) + ".new", path(name));  // another inode, as mounts do it
  }
  void write(const KeyPair& pair) const {
    write("tls.crt", pair.certificate_pem);
    write("tls.key", pair.key_pem);
  }
  TlsOptions options() const {
    return {.certificate_file = path("tls.crt"), .key_file = path("tls.key")};
  }
  std::filesystem::path folder_;
};

TEST_F(Files, AreReadAgainWhenTheyChangeAndABadOneLeavesTheOldInPlace) {
  write(server_pair("first"));
  auto tls = TlsServer::create(options()).value();
  auto served = [&] { return Pair(*tls, {}).client.server_name(); };
  Instant now = Instant::from_nanos(0);
  auto look = [&] { return tls->look(now += TlsServer::kLookPeriod); };
  EXPECT_EQ(look().value(), TlsServer::Look::kSame);
  EXPECT_EQ(served(), "first");

  const KeyPair second = server_pair("second");
  write("tls.crt", second.certificate_pem);  // the key is still the first one's
  auto half = look();
  ASSERT_FALSE(half);
  EXPECT_NE(half.error().message.find("the key is not the certificate's"), std::string::npos)
      << half.error().message;
  EXPECT_EQ(look().value(), TlsServer::Look::kSame) << "told once";
  EXPECT_EQ(served(), "first");

  write("tls.key", second.key_pem);
  EXPECT_EQ(look().value(), TlsServer::Look::kReadAgain);
  EXPECT_EQ(served(), "second");
}

TEST_F(Files, ThatCannotBeUsedAreNamedWithoutTheirSecrets) {
  const KeyPair good = server_pair(), other = server_pair();
  struct Case {
    const char* label;
    std::string certificate, key;
    std::string error;
  };
  const Case cases[] = {
      {"no certificate in it", "hello", good.key_pem, "no PEM certificate"},
      {"no key in it", good.certificate_pem, "hello", "no PEM private key"},
      {"a key of another", good.certificate_pem, other.key_pem, "the key is not the certificate's"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    write({c.certificate, c.key});
    auto tls = TlsServer::create(options());
    ASSERT_FALSE(tls);
    const std::string& message = tls.error().message;
    EXPECT_NE(message.find(c.error), std::string::npos) << message;
    EXPECT_NE(message.find("tls.crt"), std::string::npos) << message;
    EXPECT_EQ(message.find(c.key.substr(0, 40)), std::string::npos) << message;
  }
  std::filesystem::remove(path("tls.key"));
  auto gone = TlsServer::create(options());
  ASSERT_FALSE(gone);
  EXPECT_NE(gone.error().message.find("tls.key: No such file"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::net
