#include "live/weights/transport.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <thread>
#include <vector>

#include "live/net/clock.h"
#include "live/net/log.h"
#include "live/weights/disk.h"
#include "live/weights/names.h"

namespace tidegate::live::weights {
namespace {

constexpr std::size_t kMaxErrorBody = 4096;
constexpr std::size_t kShownOfBody = 300;
constexpr std::size_t kFilePiece = 1 << 20;
constexpr Duration kLongestWait = seconds(30), kLongestRetryAfter = seconds(120);
constexpr Duration kSlice = millis(50);  ///< how soon a stop is seen

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// "bytes 0-9/100" or "bytes */100"; * is unknown, -1.
struct ContentRange {
  std::int64_t from = -1, size = -1;
};
ContentRange content_range(std::string_view text) {
  ContentRange out;
  if (!text.starts_with("bytes ")) return out;
  text.remove_prefix(6);
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return out;
  out.from = number(text.substr(0, std::min(text.find('-'), slash))).value_or(-1);
  out.size = number(text.substr(slash + 1)).value_or(-1);
  return out;
}

GetHead head_of(int status, const net::Headers& headers) {
  GetHead head{.partial = status == 206,
               .etag = std::string(headers.get("etag")),
               .link = std::string(headers.get("link"))};
  if (head.etag.empty()) head.etag = headers.get("last-modified");
  if (head.partial) {
    const ContentRange range = content_range(headers.get("content-range"));
    head.from = range.from;
    head.size = range.size;
  } else {
    head.size = number(headers.get("content-length")).value_or(-1);
  }
  return head;
}

/// Text of a stranger: one line, printable.
std::string shown(std::string_view body) {
  std::string out;
  for (char c : body.substr(0, kShownOfBody)) {
    out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? ' ' : c;
  }
  return out;
}

bool worth_again(int status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

}  // namespace

std::string status_words(int status, const std::string& url, std::string_view body, bool token) {
  std::string fix;
  switch (status) {
    case 401:
      fix = token ? "the token is not accepted; make a new one"
                  : "it wants a token; set HF_TOKEN or --token-file";
      break;
    case 403:
      fix = token ? "the token may not read it; a gated repository's licence is accepted on its "
                    "page, and the token needs the right to read gated repositories"
                  : "not allowed; a presigned URL may have expired (make new ones), a gated "
                    "repository wants HF_TOKEN";
      break;
    case 404:
      fix =
          "not there; look at repository, revision and path (a private one shows itself only "
          "with a token)";
      break;
    case 410:
      fix = "gone for good; choose another revision";
      break;
    case 429:
      fix = "too many requests; lower --connections, or use a token or a nearer mirror";
      break;
    default:
      fix = status >= 500   ? "the server failed; try again later"
            : status >= 400 ? "the server refuses it"
                            : "an answer that is no file";
  }
  const std::string said = shown(body);
  return fmt::format("{}: HTTP {}: {}{}", public_text(url), status, fix,
                     said.empty() ? "" : " (it said: " + said + ")");
}

Duration wait_before(int attempt, Duration first, Duration retry_after) {
  if (retry_after.count() >= 0) return std::min(retry_after, kLongestRetryAfter);
  Duration wait = first;
  for (int i = 1; i < attempt && wait < kLongestWait; ++i) wait = wait * 2;
  return std::min(wait, kLongestWait);
}

void wait_for(Duration wall, const std::atomic<bool>* stop) {
  const Instant end = net::WorldClock::mono_now() + wall;
  while (stop == nullptr || !stop->load()) {
    const Duration left = end - net::WorldClock::mono_now();
    if (left.count() <= 0) return;
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(left, kSlice).count()));
  }
}

GetEnd Transport::get(const std::string& url, std::optional<Span> range,
                      const std::string& if_range, const OnHead& on_head, const OnData& on_data) {
  if (url.starts_with("file://")) return get_file(url, range, on_head, on_data);
  net::TransferRequest request{
      .url = url, .tls = access_.tls, .stall_timeout = access_.stall_timeout, .stop = stop_};
  if (range) {
    request.headers.add("Range", fmt::format("bytes={}-{}", range->from, range->to - 1));
    // A weak one says that the meaning is the same, not the bytes.
    if (if_range.starts_with('"')) request.headers.add("If-Range", if_range);
  }
  const bool with_token = !access_.token.empty() && origin(url) == origin(access_.endpoint);
  if (with_token) request.headers.add("Authorization", "Bearer " + access_.token);
  int status = 0;
  GetEnd out;
  std::string error_body;
  net::TransferEnd end = curl_.get(
      request,
      [&](int got, const net::Headers& headers) {
        status = got;
        if (got == 200 || got == 206) return on_head(head_of(got, headers));
        if (auto after = number(headers.get("retry-after"))) {
          out.retry_after = seconds(std::min<std::int64_t>(*after, 86'400));
        }
        if (got == 416) out.size = content_range(headers.get("content-range")).size;
        return true;
      },
      [&](std::string_view bytes) {
        if (status == 200 || status == 206) return on_data(bytes);
        error_body.append(bytes.substr(0, kMaxErrorBody - error_body.size()));
        return error_body.size() < kMaxErrorBody;
      });
  const bool success = status == 200 || status == 206;
  if (status != 0 && !success && !(stop_ != nullptr && stop_->load())) {
    out.outcome = status == 416         ? Outcome::kEmpty
                  : worth_again(status) ? Outcome::kAgain
                                        : Outcome::kRefused;
    out.message = status_words(status, url, error_body, with_token);
  } else if (end.stopped) {
    out.outcome = Outcome::kStopped;
  } else if (end.error) {
    out.outcome = Outcome::kAgain;
    out.message = public_text(url) + ": " + end.error->message;
  }
  return out;
}

GetEnd Transport::get_file(const std::string& url, std::optional<Span> range, const OnHead& on_head,
                           const OnData& on_data) {
  const std::string path = percent_decode(url.substr(std::string_view("file://").size()));
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat seen {};
  if (!fd || ::fstat(fd.get(), &seen) != 0) {
    return {.outcome = Outcome::kRefused, .message = system_error("cannot open " + path).message};
  }
  if (!S_ISREG(seen.st_mode))
    return {.outcome = Outcome::kRefused, .message = path + " is no file"};
  const Span part = range.value_or(Span{0, seen.st_size});
  if (range && part.from >= seen.st_size) return {.outcome = Outcome::kEmpty, .size = seen.st_size};
  const GetHead head{
      .partial = range.has_value(),
      .from = part.from,
      .size = seen.st_size,
      .etag = fmt::format("\"{}-{}.{}\"", seen.st_ino, seen.st_mtim.tv_sec, seen.st_mtim.tv_nsec)};
  if (!on_head(head)) return {.outcome = Outcome::kStopped};
  std::vector<char> piece(kFilePiece);
  const std::int64_t end = std::min<std::int64_t>(part.to, seen.st_size);
  for (std::int64_t at = part.from; at < end;) {
    if (stop_ != nullptr && stop_->load()) return {.outcome = Outcome::kStopped};
    const auto want = static_cast<std::size_t>(std::min<std::int64_t>(kFilePiece, end - at));
    auto got = read_at(fd.get(), piece.data(), want, at);
    if (!got || *got == 0) {
      return {.outcome = Outcome::kAgain,
              .message = path + ": " + (got ? "became shorter" : got.error().message)};
    }
    if (!on_data({piece.data(), *got})) return {.outcome = Outcome::kStopped};
    at += static_cast<std::int64_t>(*got);
  }
  return {};
}

Result<Transport::Page> Transport::page(const std::string& url, std::size_t most) {
  for (int attempt = 1;; ++attempt) {
    Page page;
    bool over = false;
    GetEnd end = get(
        url, std::nullopt, "",
        [&](const GetHead& head) {
          page.link = head.link;
          return true;
        },
        [&](std::string_view bytes) {
          over = page.body.size() + bytes.size() > most;
          if (!over) page.body.append(bytes);
          return !over;
        });
    if (over) return fail(fmt::format("{}: over {} bytes", public_text(url), most));
    if (end.outcome == Outcome::kWhole) return page;
    if (end.outcome == Outcome::kStopped) return fail("stopped");
    if (end.outcome != Outcome::kAgain || attempt == kMaxAttempts) return fail(end.message);
    net::log(net::Level::kWarn, "a page is asked for again", {{"error", end.message}});
    pause(attempt, end.retry_after);
  }
}

}  // namespace tidegate::live::weights
