#include "live/net/tls/certificates.h"

#include "live/net/tls/test_authority.h"

namespace tidegate::net {
namespace {

const WallTime kNow = WallTime::from_unix_nanos(1'790'000'000'000'000'000);

TEST(Certificates, AClientIsWhoTheCaSays) {
  TestAuthority ca("front-proxy-ca", kNow), stranger("front-proxy-ca", kNow);
  TestAuthority middle("middle", kNow, &ca);
  const CaSet trusted = CaSet::parse(ca.pem()).value();
  struct Case {
    const char* label;
    std::string pem;
    std::string error;  // empty: taken
  };
  const Case cases[] = {
      {"its own CA", ca.issue({.common_name = "proxy"}).certificate_pem, ""},
      {"through an intermediate that is shown",
       middle.issue({.common_name = "proxy"}).certificate_pem + middle.pem(), ""},
      {"through an intermediate that is not shown",
       middle.issue({.common_name = "proxy"}).certificate_pem, "unable to get local issuer"},
      {"a CA of the same name that is another",
       stranger.issue({.common_name = "proxy"}).certificate_pem, "certificate signature failure"},
      {"another CA, shown along",
       stranger.issue({.common_name = "proxy"}).certificate_pem + stranger.pem(),
       "certificate signature failure"},
      {"expired", ca.issue({.common_name = "proxy", .until = seconds(-1)}).certificate_pem,
       "certificate has expired"},
      {"not yet valid", ca.issue({.common_name = "proxy", .from = seconds(60)}).certificate_pem,
       "certificate is not yet valid"},
      {"for servers only",
       ca.issue({.common_name = "proxy", .usage = "serverAuth"}).certificate_pem,
       "unsuitable certificate purpose"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    auto who = client_subject(chain_of(c.pem), trusted, kNow);
    ASSERT_EQ(who.has_value(), c.error.empty()) << (who ? "" : who.error().message);
    if (who) {
      EXPECT_EQ(who->common_name, "proxy");
    } else {
      EXPECT_NE(who.error().message.find(c.error), std::string::npos) << who.error().message;
      EXPECT_NE(who.error().message.find("\"proxy\""), std::string::npos) << who.error().message;
    }
  }
}

TEST(Certificates, WithoutACertificateOrACaNobodyIsKnown) {
  TestAuthority ca("ca", kNow);
  auto chain = chain_of(ca.issue({.common_name = "a"}).certificate_pem);
  EXPECT_FALSE(client_subject({}, CaSet::parse(ca.pem()).value(), kNow));
  EXPECT_FALSE(client_subject(chain, CaSet(), kNow));
  EXPECT_FALSE(client_subject({"no DER"}, CaSet::parse(ca.pem()).value(), kNow));
}

TEST(Certificates, TheSubjectHoldsEveryOrganization) {
  TestAuthority ca("ca", kNow);
  auto pair = ca.issue({.common_name = "anna", .organizations = {"dev", "system:masters"}});
  auto who = client_subject(chain_of(pair.certificate_pem), CaSet::parse(ca.pem()).value(), kNow);
  ASSERT_TRUE(who);
  EXPECT_EQ(*who, (Subject{"anna", {"dev", "system:masters"}}));
}

TEST(Certificates, ABundleIsReadWholeOrNotAtAll) {
  const std::string one = TestAuthority("a", kNow).pem();
  std::string most, broken = one;
  for (std::size_t i = 0; i < CaSet::kMaxCertificates; ++i) most += one;
  broken.replace(broken.size() / 2, 4, "!!!!");
  struct Case {
    const char* label;
    std::string pem;
    std::size_t size;
    std::string error;
  };
  const Case cases[] = {
      {"two, with words between", one + "\n# the next one\n" + TestAuthority("b", kNow).pem(), 2,
       ""},
      {"as many as may be", most, CaSet::kMaxCertificates, ""},
      {"one more", most + one, 0, "more than 512"},
      {"none", "hello", 0, "no PEM certificate"},
      {"nothing", "", 0, "no PEM certificate"},
      {"the second is broken", one + broken, 0, "certificate 2 cannot be read"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.label);
    auto set = CaSet::parse(c.pem);
    ASSERT_EQ(set.has_value(), c.error.empty());
    if (set) {
      EXPECT_EQ(set->size(), c.size);
    } else {
      EXPECT_NE(set.error().message.find(c.error), std::string::npos) << set.error().message;
    }
  }
}

TEST(Certificates, OneOfOurOwnStandsForItsNamesWhileItIsValid) {
  const std::vector<std::string> names = {"tidegate.serve.svc", "localhost", "127.0.0.1", "::1"};
  auto pair = self_signed(names, kNow, kNow + seconds(3600));
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_TRUE(stands_for(pair->certificate_pem, names, kNow + seconds(1)));
  EXPECT_FALSE(stands_for(pair->certificate_pem, {"tidegate.other.svc"}, kNow + seconds(1)));
  EXPECT_FALSE(stands_for(pair->certificate_pem, {"127.0.0.2"}, kNow + seconds(1)));
  EXPECT_FALSE(stands_for(pair->certificate_pem, names, kNow + seconds(3601)));
  EXPECT_FALSE(stands_for(pair->certificate_pem, names, kNow + seconds(-1)));
  EXPECT_FALSE(stands_for("no certificate", names, kNow));
  EXPECT_NE(pair->key_pem.find("PRIVATE KEY"), std::string::npos);
  EXPECT_EQ(pair->certificate_pem.find("PRIVATE KEY"), std::string::npos);
}

}  // namespace
}  // namespace tidegate::net
