#include "live/aws/metadata.h"

namespace tidegate::live::aws {
namespace {

constexpr std::size_t kMaxAnswer = 64 << 10;

net::ClientRequest request_to(const net::Address& address, std::string method, std::string path) {
  net::ClientRequest request;
  request.address = address;
  request.method = std::move(method);
  request.path = std::move(path);
  request.connect_timeout = Metadata::kConnectTimeout;
  request.first_byte_timeout = Metadata::kTimeout;
  request.idle_timeout = Metadata::kTimeout;
  request.max_response_bytes = kMaxAnswer;
  return request;
}

}  // namespace

Result<net::Address> Metadata::address(const kube::Environment& environment) {
  auto url = net::parse_url(
      environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254:80"));
  if (!url) return fail(url.error().within("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
  return url->address;
}

void Metadata::get(const std::string& path, Told told) {
  with_token([this, path, told = std::move(told)](const Result<std::string>& token) {
    if (!token) return told(fail(token.error()));
    ask(path, *token, told, 1);
  });
}

void Metadata::with_token(const std::function<void(const Result<std::string>&)>& then) {
  if (!token_.empty() && loop_.now() < token_until_) return then(token_);
  waiting_.push_back(then);
  if (waiting_.size() > 1) return;
  auto request = request_to(address_, "PUT", "/latest/api/token");
  request.headers.add("X-aws-ec2-metadata-token-ttl-seconds",
                      std::to_string(kTokenLasts.count() / seconds(1).count()));
  client_.fetch(
      std::move(request), [this, alive = std::weak_ptr(alive_)](Result<net::Response> answer) {
        if (alive.expired()) return;
        Result<std::string> token = fail("");
        if (!answer) {
          token = fail("instance metadata at " + address_.text() + ": " + answer.error().message +
                       " (not an EC2 instance, or in a container behind a hop limit of 1: raise "
                       "it by `aws ec2 modify-instance-metadata-options "
                       "--http-put-response-hop-limit 2`)");
        } else if (answer->status != 200 || answer->body.empty()) {
          token = fail("instance metadata at " + address_.text() + " refused a token: HTTP " +
                       std::to_string(answer->status));
        } else {
          token = token_ = answer->body;
          token_until_ = loop_.now() + kTokenLasts - kTokenRenewedBefore;
        }
        decltype(waiting_) waiting;
        waiting.swap(waiting_);
        for (const auto& then : waiting) {
          if (!alive.expired()) then(token);
        }
      });
}

void Metadata::ask(const std::string& path, const std::string& token, Told told,
                   int attempts_left) {
  auto request = request_to(address_, "GET", path);
  request.headers.add("X-aws-ec2-metadata-token", token);
  client_.fetch(std::move(request), [this, path, told = std::move(told), attempts_left,
                                     alive = std::weak_ptr(alive_)](Result<net::Response> answer) {
    if (alive.expired()) return;
    if (answer && answer->status == 401 && attempts_left > 0) {
      token_.clear();
      return with_token([this, path, told](const Result<std::string>& fresh) {
        if (!fresh) return told(fail(fresh.error()));
        ask(path, *fresh, told, 0);
      });
    }
    told(std::move(answer));
  });
}

}  // namespace tidegate::live::aws
