// Who is answered over TLS, and which files are refused.
#include <gmock/gmock.h>

#include <fstream>

#include "live/keda/caller_for_test.h"
#include "live/keda/scaler.h"
#include "live/net/clock.h"
#include "live/net/tls/test_authority.h"

namespace tidegate::live::keda {
namespace {

using ::testing::HasSubstr;

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    net::TestAuthority ca("ca", net::WorldClock::wall_now());
    ca_ = ca.pem();
    server_ = ca.issue({.common_name = "tidegate", .names = "DNS:localhost,IP:127.0.0.1"});
    client_ = ca.issue({.common_name = "keda"});
    stranger_ =
        net::TestAuthority("other", net::WorldClock::wall_now()).issue({.common_name = "keda"});
    write("server.crt", server_.certificate_pem);
    write("server.key", server_.key_pem);
    write("ca.crt", ca_);
    write("other.key", client_.key_pem);
    write("empty", "");
  }
  std::string path(const std::string& name) const { return ::testing::TempDir() + "keda-" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::trunc) << text;
  }
  Result<std::unique_ptr<Scaler>> start(const std::string& certificate, const std::string& key,
                                        const std::string& ca) {
    ScalerOptions options;
    options.listen = {"127.0.0.1", 0};
    auto full = [&](const std::string& name) { return name.empty() ? name : path(name); };
    options.tls = {full(certificate), full(key), full(ca)};
    return Scaler::create(board_, options);
  }
  grpc::Status ask(const Scaler& scaler, const net::KeyPair& own) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ca_;
    options.pem_private_key = own.key_pem;
    options.pem_cert_chain = own.certificate_pem;
    Caller caller(scaler.address(), grpc::SslCredentials(options));
    return caller.is_active({{"model", "m"}}).status;
  }

  NumberBoard board_;
  std::string ca_;
  net::KeyPair server_, client_, stranger_;
};

TEST_F(TlsTest, callers_are_answered_over_tls_and_in_plain_text_refused) {
  auto scaler = start("server.crt", "server.key", "").value();
  board_.publish("m", {decided(1)});
  const auto status = ask(*scaler, {});
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(Caller(scaler->address()).is_active({{"model", "m"}}).status.ok());
}

TEST_F(TlsTest, with_a_client_ca_only_its_certificates_are_let_in) {
  auto scaler = start("server.crt", "server.key", "ca.crt").value();
  board_.publish("m", {decided(1)});
  const auto status = ask(*scaler, client_);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(ask(*scaler, {}).ok()) << "none shown";
  EXPECT_FALSE(ask(*scaler, stranger_).ok()) << "one of somebody else";
}

TEST_F(TlsTest, files_that_do_not_fit_are_named_at_the_start) {
  struct Row {
    const char* label;
    const char* certificate;
    const char* key;
    const char* ca;
    const char* says;
  };
  const Row rows[] = {
      {"a certificate without a key", "server.crt", "", "", "--keda-tls-key is missing"},
      {"a key without a certificate", "", "server.key", "", "--keda-tls-cert is missing"},
      {"a client CA alone", "", "", "ca.crt", "needs --keda-tls-cert"},
      {"no such file", "nowhere", "server.key", "", "keda-nowhere"},
      {"another's key", "server.crt", "other.key", "", "other.key"},
      {"an empty client CA", "server.crt", "server.key", "empty", "keda-empty"},
      {"a client CA that is none", "server.crt", "server.key", "server.key", "client-ca"},
  };
  for (const Row& row : rows) {
    const auto scaler = start(row.certificate, row.key, row.ca);
    ASSERT_FALSE(scaler) << row.label;
    EXPECT_THAT(scaler.error().message, HasSubstr(row.says)) << row.label;
  }
}

}  // namespace
}  // namespace tidegate::live::keda
