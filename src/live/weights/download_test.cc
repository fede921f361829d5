#include "live/weights/download.h"

#include <gmock/gmock.h>

#include "live/weights/state_log.h"
#include "live/weights/test_source.h"

namespace tidegate::live::weights {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kRange = 1000;

class WeightsDownload : public ::testing::Test {
 protected:
  /// Files a and b of a set, known by name alone.
  WantedFile file(const std::string& path) { return {.path = path, .url = source.url("/" + path)}; }
  WantedFile file(const std::string& path, const std::string& bytes) {
    WantedFile out = file(path);
    out.size = static_cast<std::int64_t>(bytes.size());
    out.digest_of = DigestOf::kSha256;
    out.digest = sha256_of(bytes);
    return out;
  }
  Result<Downloaded> get(const FileList& list) {
    return download(folder.path(), list, access, options, &stop, {});
  }
  std::string there(const std::string& path) { return read_text(folder.path(path)); }
  std::size_t asked(const std::string& path) {
    std::size_t n = 0;
    for (const auto& ask : source.asks()) n += ask.path == path ? 1 : 0;
    return n;
  }

  TestFolder folder;
  TestSource source;
  SourceAccess access{.first_wait = millis(1)};
  DownloadOptions options{.connections = 3, .range_bytes = kRange, .progress_every = millis(5)};
  std::atomic<bool> stop = false;
  const std::string a = some_bytes(10'500, 1), b = some_bytes(999, 2);
};

TEST_F(WeightsDownload, every_byte_comes_once_over_ranges) {
  source.put("/a", {a, "v1"});
  source.put("/s/b%20c", {b, "v1"});
  source.put("/empty", {"", "v1"});
  FileList list{.files = {file("a", a), file("s/b c", b), file("empty")}};
  list.files[1].url = source.url("/s/b%20c");
  auto done = get(list);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  EXPECT_EQ(there("s/b c"), b);
  EXPECT_EQ(there("empty"), "");
  EXPECT_EQ(done->transferred, 11'499);
  EXPECT_EQ(source.sent(), 11'499);
  EXPECT_EQ(asked("/a"), 11u);
  EXPECT_TRUE(done->files[0].published);
  EXPECT_FALSE(done->files[2].published) << "nobody published its digest";
  EXPECT_EQ(done->files[0].sha256, sha256_of(a));
  EXPECT_EQ(done->files[2].sha256, sha256_of(""));
}

TEST_F(WeightsDownload, sizes_and_digests_may_be_unknown) {
  source.put("/a", {a, ""});
  auto done = get({.files = {file("a")}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  EXPECT_EQ(done->files[0].size, 10'500);
}

TEST_F(WeightsDownload, a_server_without_ranges_sends_a_stream) {
  source.put("/a", {a, "v1", false});
  source.put("/b", {b, "v1"});
  auto done = get({.files = {file("a", a), file("b", b)}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  EXPECT_EQ(there("b"), b);
  EXPECT_EQ(asked("/a"), 1u);
}

TEST_F(WeightsDownload, a_stream_without_a_length_ends_where_it_ends) {
  source.on_ask([&](const TestSource::Ask&, net::Exchange& x) {
    x.start(200, {});  // chunked
    x.write(a);
    x.finish();
    return true;
  });
  auto done = get({.files = {file("a")}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  EXPECT_EQ(done->files[0].size, 10'500);
}

TEST_F(WeightsDownload, what_was_cut_goes_on_where_it_was) {
  source.put("/a", {a, "v1"});
  std::atomic<int> cuts = 0;
  source.on_ask([&](const TestSource::Ask& ask, net::Exchange& x) {
    if (ask.range != "bytes=2000-2999" || cuts++ != 0) return false;
    net::Headers headers;
    headers.add("ETag", "\"v1\"");
    headers.add("Content-Range", "bytes 2000-2999/10500");
    headers.add("Content-Length", "1000");
    TestSource::cut(x, 206, headers, std::string_view(a).substr(2000, 400));
    return true;
  });
  auto done = get({.files = {file("a", a)}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  bool went_on = false;
  for (const auto& ask : source.asks())
    went_on |= ask.range.ends_with("-2999") && ask.range != "bytes=2000-2999";
  EXPECT_TRUE(went_on || asked("/a") > 11) << "cut before its first byte came";
  EXPECT_LE(done->transferred, 10'500) << "no byte that came was asked for again";
}

TEST_F(WeightsDownload, a_killed_fetch_goes_on_with_what_is_missing) {
  source.put("/a", {a, "v1"});
  {
    // As it was when it was killed: two ranges synced and told, and a torn last line.
    StateLog log = StateLog::open(folder.path(), {.files = {file("a", a)}}).value();
    std::string left(10'500, 'x');
    left.replace(0, 2000, a, 0, 2000);
    left.replace(5000, 1000, a, 5000, 1000);
    std::ofstream(folder.path("a"), std::ios::binary) << left;
    ASSERT_TRUE(log.begins(0, 10'500, "\"v1\"", {}));
    ASSERT_TRUE(log.done(0, {0, 2000}));
    ASSERT_TRUE(log.done(0, {5000, 6000}));
    std::ofstream(folder.path(kStateFile), std::ios::app) << R"({"done":0,"from":6000,"to":70)";
  }
  auto done = get({.files = {file("a", a)}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  EXPECT_EQ(done->transferred, 10'500 - 3000);
  EXPECT_EQ(source.asks().front().if_range, "\"v1\"") << "held to the version that is half there";
}

TEST_F(WeightsDownload, half_of_another_version_counts_for_nothing) {
  for (const char* before : {"\"v0\"", "\"v1\""}) {
    SCOPED_TRACE(before);
    // With v1 the version is right and the bytes are not: the digest says so.
    {
      StateLog log = StateLog::open(folder.path(), {.files = {file("a", a)}}).value();
      std::ofstream(folder.path("a"), std::ios::binary) << std::string(10'500, 'x');
      ASSERT_TRUE(log.begins(0, 10'500, before, {}));
      ASSERT_TRUE(log.done(0, {0, 4000}));
    }
    source.put("/a", {a, "v1"});
    auto done = get({.files = {file("a", a)}});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(there("a"), a);
    EXPECT_EQ(done->restarts, 1);
  }
}

TEST_F(WeightsDownload, a_file_that_changes_in_the_middle_starts_again) {
  const std::string later = some_bytes(9'000, 3);
  source.put("/a", {a, "v1"});
  std::atomic<int> asks = 0;
  source.on_ask([&](const TestSource::Ask&, net::Exchange&) {
    if (++asks == 5) source.put("/a", {later, "v2"});
    return false;
  });
  auto done = get({.files = {file("a")}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), later) << "not a mixture";
  EXPECT_GE(done->restarts, 1);
}

TEST_F(WeightsDownload, one_that_never_stops_changing_is_given_up) {
  source.put("/a", {a, "first"});
  std::atomic<int> version = 0;
  source.on_ask([&](const TestSource::Ask&, net::Exchange&) {
    source.put("/a", {a, std::to_string(version++)});
    return false;
  });
  auto done = get({.files = {file("a")}});
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("started again 3 times"));
}

TEST_F(WeightsDownload, wrong_bytes_are_fetched_again_and_then_refused) {
  source.put("/a", {a, "v1"});
  FileList list{.files = {file("a", a)}};
  list.files[0].digest = std::string(64, '0');
  auto done = get(list);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("its digest is " + sha256_of(a)));
  EXPECT_EQ(source.sent(), (1 + kMaxRestarts) * 10'500);
}

TEST_F(WeightsDownload, small_files_of_a_hub_are_known_by_the_name_git_gives_them) {
  source.put("/c", {"hello\n", "v1"});
  WantedFile wanted = file("c");
  wanted.digest_of = DigestOf::kGitBlob;
  wanted.digest =
      "ce013625030ba8dba906f756967f9e9ca394464a";  // echo hello | git hash-object --stdin
  auto done = get({.files = {wanted}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->files[0].published);
  EXPECT_EQ(done->files[0].sha256, sha256_of("hello\n"));
}

TEST_F(WeightsDownload, too_many_requests_are_asked_again_after_as_long_as_was_said) {
  source.put("/a", {a, "v1"});
  std::atomic<int> refusals = 0;
  source.on_ask([&](const TestSource::Ask&, net::Exchange& x) {
    if (refusals++ >= 4) return false;
    net::Headers headers;
    headers.add("Retry-After", "0");
    x.respond(refusals % 2 == 0 ? 503 : 429, headers, "slow down");
    return true;
  });
  auto done = get({.files = {file("a", a)}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
}

TEST_F(WeightsDownload, what_fails_for_good_ends_it_with_the_fix) {
  struct Row {
    int status;
    const char* says;
    std::size_t tries;
  };
  for (const Row& row :
       {Row{401, "set HF_TOKEN", 1}, Row{403, "may have expired", 1},
        Row{404, "look at repository, revision and path", 1}, Row{410, "another revision", 1},
        Row{418, "HTTP 418", 1}, Row{429, "lower --connections", kMaxAttempts},
        Row{500, "the server failed", kMaxAttempts}}) {
    SCOPED_TRACE(row.status);
    const std::size_t before = source.asks().size();
    source.on_ask([&](const TestSource::Ask&, net::Exchange& x) {
      x.respond(row.status, {}, "why\x1b[0m");
      return true;
    });
    FileList list{.files = {file("a", a)}};
    list.files[0].url += "?X-Amz-Signature=secret";
    auto done = get(list);
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().message, HasSubstr(row.says));
    EXPECT_THAT(done.error().message, HasSubstr("it said: why [0m"));
    EXPECT_THAT(done.error().message, Not(HasSubstr("secret")));
    EXPECT_EQ(source.asks().size() - before, row.tries);
  }
}

TEST_F(WeightsDownload, a_size_that_is_not_the_published_one_is_said_at_once) {
  source.put("/a", {a, "v1"});
  FileList list{.files = {file("a", a)}};
  list.files[0].size = 10'501;
  auto done = get(list);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("has 10500 bytes, its list says 10501"));
}

TEST_F(WeightsDownload, more_bytes_than_were_asked_for_are_not_written) {
  source.on_ask([&](const TestSource::Ask&, net::Exchange& x) {
    net::Headers headers;
    headers.add("Content-Range", "bytes 0-999/10500");
    x.respond(206, headers, a.substr(0, 1001));
    return true;
  });
  auto done = get({.files = {file("a", a)}});
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("more bytes than it said"));
}

TEST_F(WeightsDownload, redirects_are_followed_and_the_token_stays_at_home) {
  TestSource store;
  store.put("/blob", {a, "v1"});
  source.on_ask([&](const TestSource::Ask&, net::Exchange& x) {
    net::Headers headers;
    headers.add("Location", store.url("/blob"));
    headers.add("ETag", "\"of the redirect\"");
    x.respond(302, headers, "go there");
    return true;
  });
  access.endpoint = source.url("");
  access.token = "hf_secret";
  auto done = get({.files = {file("a", a)}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  for (const auto& ask : source.asks()) EXPECT_EQ(ask.authorization, "Bearer hf_secret");
  EXPECT_FALSE(store.asks().empty());
  for (const auto& ask : store.asks()) EXPECT_EQ(ask.authorization, "");
}

TEST_F(WeightsDownload, files_of_this_machine_are_copied) {
  TestFolder from;
  std::ofstream(from.path("a b"), std::ios::binary) << a;
  WantedFile wanted{.path = "a", .url = "file://" + from.path("a%20b")};
  auto done = get({.files = {wanted}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  wanted.url += "x";
  done = get({.files = {wanted}});
  ASSERT_FALSE(done) << "another source's bytes count for nothing";
  EXPECT_THAT(done.error().message, HasSubstr("No such file"));
}

TEST_F(WeightsDownload, a_stop_ends_it_and_keeps_what_there_is) {
  source.put("/a", {a, "v1"});
  std::atomic<int> asks = 0;
  source.on_ask([&](const TestSource::Ask& ask, net::Exchange&) {
    if (ask.range == "bytes=9000-9999") stop = true;  // seen by the caller's thread
    return ask.range == "bytes=9000-9999";            // never answered
  });
  auto done = get({.files = {file("a", a)}});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "stopped");
  stop = false;
  source.on_ask({});
  done = get({.files = {file("a", a)}});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(there("a"), a);
  EXPECT_LT(done->transferred, 10'500) << "what was synced before is not fetched again";
}

}  // namespace
}  // namespace tidegate::live::weights
