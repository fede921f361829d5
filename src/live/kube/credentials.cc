#include "live/kube/credentials.h"

#include <nlohmann/json.hpp>

#include "live/net/clock.h"

namespace tidegate::live::kube {
namespace {

std::string exec_info(const ExecPlugin& plugin, const Access& access) {
  nlohmann::json spec = {{"interactive", false}};
  if (plugin.wants_cluster) {
    spec["cluster"] = {{"server", access.server}};
    if (!access.tls.ca_pem.empty()) {
      spec["cluster"]["certificate-authority-data"] = encode_base64(access.tls.ca_pem);
    }
    if (!access.tls.verify) spec["cluster"]["insecure-skip-tls-verify"] = true;
  }
  return nlohmann::json{
      {"apiVersion", plugin.api_version}, {"kind", "ExecCredential"}, {"spec", spec}}
      .dump();
}

}  // namespace

Credentials::Credentials(net::Loop& loop, const Access& access)
    : loop_(loop), identity_(access.identity) {
  if (identity_.exec) info_ = exec_info(*identity_.exec, access);
  if (!identity_.token.empty()) {
    known_.authorization = "Bearer " + identity_.token;
  } else if (!identity_.username.empty()) {
    known_.authorization = "Basic " + encode_base64(identity_.username + ":" + identity_.password);
  }
}

void Credentials::get(Told told) {
  if (!identity_.token_file.empty()) {
    if (!have_ || loop_.now() - read_at_ >= kTokenPeriod) {
      auto fresh = from_file();
      if (!fresh && !have_) return told(fresh);  // a file that vanished: the last token may do
    }
    return told(known_);
  }
  if (!identity_.exec) return told(known_);
  bool fresh =
      known_.expires == WallTime{} || net::WorldClock::wall_now() + kBeforeExpiry < known_.expires;
  if (have_ && fresh) return told(known_);
  if (!run_ && !tried_at_.is_never() && loop_.now() - tried_at_ < kPluginPause) {
    return told(fail(failure_));
  }
  waiting_.push_back(std::move(told));
  if (!run_) run_plugin();
}

Result<Credential> Credentials::from_file() {
  auto text = read_file(identity_.token_file);
  if (!text) return fail(text.error().within("token file"));
  while (!text->empty() && std::isspace(static_cast<unsigned char>(text->back()))) {
    text->pop_back();
  }
  if (text->empty()) return fail("token file " + identity_.token_file + ": empty");
  known_.authorization = "Bearer " + *text;
  have_ = true;
  read_at_ = loop_.now();
  return known_;
}

void Credentials::run_plugin() {
  run_ =
      std::make_unique<ExecRun>(loop_, *identity_.exec, info_, [this](Result<Credential> result) {
        if (result) {
          known_ = *result;
          have_ = true;
          tried_at_ = Instant::never();
        } else {
          tried_at_ = loop_.now();
          failure_ = result.error().message;
        }
        // The run that tells us lives until the loop is back.
        loop_.defer([old = std::shared_ptr<ExecRun>(std::move(run_))] {});
        std::vector<Told> told;
        told.swap(waiting_);
        for (auto& one : told) one(result);
      });
}

bool Credentials::refused(const Credential& used) {
  if (identity_.token_file.empty() && !identity_.exec) return false;
  if (used.authorization != known_.authorization) return true;  // fresher by now
  if (identity_.exec) {
    have_ = false;
    return tried_at_.is_never();
  }
  auto before = known_.authorization;
  return from_file() && known_.authorization != before;
}

}  // namespace tidegate::live::kube
