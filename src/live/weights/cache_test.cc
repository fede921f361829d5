#include "live/weights/cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "live/weights/fetch.h"
#include "live/weights/state_log.h"
#include "live/weights/test_source.h"

namespace tidegate::live::weights {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WeightsCache : public ::testing::Test {
 protected:
  Cache open(std::int64_t capacity) {
    return Cache::open(folder.path("c"), {.capacity = capacity, .keep_free = 0}).value();
  }
  /// A complete set of `size` bytes, last used `age` seconds ago.
  void put(Cache& cache, const std::string& name, std::int64_t size, int age) {
    const std::string from = cache.partial_folder(name);
    ASSERT_TRUE(make_folders(from));
    ASSERT_TRUE(write_whole(from + "/w", std::string(static_cast<std::size_t>(size), name[0])));
    Record record{.name = name, .source = "file:///" + name, .bytes = size};
    record.files.push_back(
        {"w", size, sha256_of(std::string(static_cast<std::size_t>(size), name[0])), true});
    ASSERT_TRUE(cache.publish(name, record));
    age_of(cache, name, age);
  }
  void age_of(Cache& cache, const std::string& name, int age) {
    const timespec then[2] = {{1'700'000'000 - age, 0}, {1'700'000'000 - age, 0}};
    for (const char* file : {kUseFile, kRecordFile}) {
      ASSERT_EQ(::utimensat(AT_FDCWD, (cache.folder() + "/" + name + "/" + file).c_str(), then, 0),
                0);
    }
  }
  std::vector<std::string> names(const Cache& cache) {
    std::vector<std::string> out;
    const CacheList list = cache.list().value();
    for (const auto& set : list.sets) out.push_back(set.name);
    return out;
  }
  TestFolder folder;
};

TEST_F(WeightsCache, what_was_used_longest_ago_goes_and_no_more_than_needed) {
  Cache cache = open(1000);
  put(cache, "old", 300, 30);
  put(cache, "older", 300, 40);
  put(cache, "new", 300, 10);
  std::vector<std::string> told;
  const auto before = [&](const std::string& name) -> Result<void> {
    told.push_back(name);
    return {};
  };
  ASSERT_TRUE(cache.make_room("x", 100, {}, before)) << "to the byte";
  EXPECT_THAT(told, ElementsAre());
  ASSERT_TRUE(cache.make_room("x", 101, {}, before)) << "one past it";
  EXPECT_THAT(told, ElementsAre("older"));
  EXPECT_THAT(names(cache), ElementsAre("new", "old"));
  ASSERT_TRUE(cache.make_room("x", 1000, {}, before));
  EXPECT_THAT(told, ElementsAre("older", "old", "new"));
}

TEST_F(WeightsCache, what_is_in_use_wanted_or_not_ours_stays) {
  Cache cache = open(1000);
  put(cache, "used", 300, 50);
  put(cache, "wanted", 300, 40);
  put(cache, "free", 300, 10);
  ASSERT_TRUE(make_folders(folder.path("c/theirs")));
  std::ofstream(folder.path("c/theirs/w")) << "x";
  const int reader = ::open(folder.path("c/used/.tidegate-use").c_str(), O_RDONLY);
  ASSERT_EQ(::flock(reader, LOCK_SH), 0);
  ASSERT_TRUE(cache.make_room("x", 400, {"wanted"}, {}));
  EXPECT_THAT(names(cache), ElementsAre("used", "wanted"));
  auto no = cache.make_room("x", 401, {"wanted"}, {});
  ASSERT_FALSE(no);
  EXPECT_THAT(no.error().message,
              HasSubstr("used (300 bytes, in use), wanted (300 bytes, wanted); raise --capacity"));
  EXPECT_THAT(cache.evict("used").error().message, HasSubstr("is in use"));
  EXPECT_THAT(cache.evict("theirs").error().message, HasSubstr("is not ours"));
  EXPECT_THAT(cache.evict("nobody").error().message, HasSubstr("there is no nobody"));
  EXPECT_FALSE(cache.evict("../c/used"));
  EXPECT_THAT(cache.list().value().foreign, ElementsAre("theirs"));
  ::close(reader);
  EXPECT_TRUE(cache.evict("used"));
}

TEST_F(WeightsCache, one_larger_than_the_cache_evicts_nothing) {
  Cache cache = open(1000);
  put(cache, "a", 300, 0);
  EXPECT_TRUE(cache.make_room("x", 700, {}, {}));
  auto no = cache.make_room("x", 1001, {}, {});
  ASSERT_FALSE(no);
  EXPECT_THAT(no.error().message, HasSubstr("more than the whole cache may hold (1000 bytes)"));
  EXPECT_THAT(names(cache), ElementsAre("a"));
}

TEST_F(WeightsCache, a_full_disk_is_known_ahead) {
  Cache cache = open(0);
  auto no = cache.make_room("x", std::int64_t{1} << 60, {}, {});
  ASSERT_FALSE(no);
  EXPECT_THAT(no.error().message, HasSubstr("for the disk"));
}

TEST_F(WeightsCache, a_label_that_cannot_be_taken_off_keeps_the_set) {
  Cache cache = open(1000);
  put(cache, "a", 600, 0);
  auto no = cache.make_room("x", 600, {}, [](const std::string&) { return fail("no answer"); });
  ASSERT_FALSE(no);
  EXPECT_THAT(no.error().message, HasSubstr("cannot evict a: no answer"));
  EXPECT_THAT(names(cache), ElementsAre("a"));
}

TEST_F(WeightsCache, half_a_set_that_nobody_wants_goes_first) {
  Cache cache = open(100'000);
  put(cache, "old", 300, 50);
  ASSERT_TRUE(make_folders(cache.partial_folder("half")));
  ASSERT_TRUE(write_whole(cache.partial_folder("half") + "/w", std::string(65'536, 'x')));
  EXPECT_GE(cache.list().value().partial.at(0).bytes, 65'536);
  ASSERT_TRUE(cache.make_room("x", 99'000, {}, {}));
  EXPECT_THAT(names(cache), ElementsAre("old"));
  EXPECT_TRUE(cache.list().value().partial.empty());
}

TEST_F(WeightsCache, one_writes_and_what_a_killed_one_left_is_cleared) {
  {
    Cache cache = open(0);
    auto second = Cache::open(folder.path("c"), {});
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message,
                HasSubstr("is written to by process " + std::to_string(::getpid())));
    ASSERT_TRUE(make_folders(folder.path("c/.evicted-a/b")));
  }
  Cache cache = open(0);
  EXPECT_FALSE(std::filesystem::exists(folder.path("c/.evicted-a")));
}

TEST_F(WeightsCache, a_set_in_use_was_used_just_now) {
  Cache cache = open(0);
  put(cache, "a", 1, 50);
  put(cache, "b", 1, 50);
  const int reader = ::open(folder.path("c/a/.tidegate-use").c_str(), O_RDONLY);
  ASSERT_EQ(::flock(reader, LOCK_SH), 0);
  cache.touch_used();
  ::close(reader);
  EXPECT_GT(cache.find("a")->used, cache.find("b")->used);
}

TEST_F(WeightsCache, a_byte_that_turned_is_found) {
  Cache cache = open(0);
  put(cache, "a", 1000, 0);
  const std::string path = folder.path("c/a");
  const Record record = cache.find("a")->record;
  EXPECT_TRUE(verify(path, record, 2).empty());
  {
    std::fstream file(path + "/w", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(500);
    file.put('!');
  }
  auto faults = verify(path, record, 2);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_THAT(faults[0].what, HasSubstr("the disk has other bytes"));
  std::filesystem::resize_file(path + "/w", 999);
  EXPECT_THAT(verify(path, record, 1).at(0).what, HasSubstr("has 999 bytes, 1000 were fetched"));
  std::filesystem::remove(path + "/w");
  EXPECT_THAT(verify(path, record, 1).at(0).what, HasSubstr("No such file"));
}

class WeightsFetch : public WeightsCache {
 protected:
  WeightsFetch() {
    settings.access.first_wait = millis(1);
    settings.download.range_bytes = 1000;
    settings.download.progress_every = millis(5);
  }
  Result<Fetched> get(Cache& cache, const std::vector<std::string>& sources,
                      const std::string& name = "") {
    return fetch(cache, {.name = name, .sources = sources, .list = {}}, settings, nullptr, {});
  }
  TestSource source;
  FetchSettings settings;
};

TEST_F(WeightsFetch, a_hub_repository_comes_whole_and_of_one_commit) {
  const std::string big = some_bytes(5000, 1);
  settings.access.endpoint = source.url("");
  source.put("/api/models/a/m/revision/main", {R"({"sha":"c0ffee"})", ""});
  source.on_ask([&](const TestSource::Ask& ask, net::Exchange& x) {
    if (ask.path != "/api/models/a/m/tree/c0ffee") return false;
    if (ask.query.find("cursor") == std::string::npos) {
      net::Headers headers;
      headers.add("Link", "<" + source.url("/api/models/a/m/tree/c0ffee?recursive=true&cursor=2") +
                              ">; rel=\"next\"");
      x.respond(200, headers,
                R"([{"type":"directory","path":"sub","oid":"0"},
                    {"type":"file","path":"pytorch_model.bin","oid":"0","size":9},
                    {"type":"file","path":"sub/c.json","size":6,
                     "oid":"ce013625030ba8dba906f756967f9e9ca394464a"}])");
    } else {
      x.respond(200, {},
                R"([{"type":"file","path":"model.safetensors","size":135,"oid":"0123",
                     "lfs":{"oid":")" +
                    sha256_of(big) + R"(","size":5000,"pointerSize":135}}])");
    }
    return true;
  });
  source.put("/a/m/resolve/c0ffee/sub/c.json", {"hello\n", "1"});
  source.put("/a/m/resolve/c0ffee/model.safetensors", {big, "2"});
  Cache cache = open(0);
  auto done = get(cache, {"hf://a/m"});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->set.name, "a--m");
  EXPECT_EQ(done->set.record.revision, "c0ffee");
  EXPECT_EQ(done->set.record.bytes, 5006);
  EXPECT_EQ(read_text(folder.path("c/a--m/model.safetensors")), big);
  EXPECT_EQ(read_text(folder.path("c/a--m/sub/c.json")), "hello\n");
  EXPECT_FALSE(std::filesystem::exists(folder.path("c/a--m/pytorch_model.bin")))
      << "the same weights in another format";
  EXPECT_FALSE(std::filesystem::exists(folder.path("c/a--m/") + kStateFile));
  EXPECT_TRUE(done->set.record.files[0].published);

  const std::size_t asks = source.asks().size();
  auto again = get(cache, {"hf://a/m"});
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->was_there);
  EXPECT_EQ(source.asks().size(), asks) << "what is there is not asked for";
  auto other = get(cache, {"hf://a/m@v2"}, "a--m");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message,
              HasSubstr("is there already, from hf://a/m; fetch hf://a/m@v2"));
}

TEST_F(WeightsFetch, a_gated_repository_says_what_to_do) {
  settings.access.endpoint = source.url("");
  source.on_ask([&](const TestSource::Ask& ask, net::Exchange& x) {
    x.respond(ask.authorization.empty() ? 401 : 403, {}, R"({"error":"Access is restricted"})");
    return true;
  });
  Cache cache = open(0);
  EXPECT_THAT(get(cache, {"hf://a/m"}).error().message, HasSubstr("set HF_TOKEN or --token-file"));
  settings.access.token = "hf_x";
  EXPECT_THAT(get(cache, {"hf://a/m"}).error().message,
              HasSubstr("licence is accepted on its page"));
}

TEST_F(WeightsFetch, sums_manifests_and_single_files_are_sources_too) {
  const std::string bytes = some_bytes(2500, 4);
  source.put("/m/w.bin", {bytes, "1"});
  source.put("/m/SHA256SUMS", {sha256_of(bytes) + "  w.bin\n", ""});
  source.put("/m/list.yaml", {"name: listed\nfiles:\n  - {path: in/w, size: 2500, sha256: " +
                                  sha256_of(bytes) + ", url: w.bin}\n",
                              ""});
  Cache cache = open(0);
  struct Row {
    std::string url, name, path;
    bool published;
  };
  for (const Row& row :
       {Row{"/m/", "m", "w.bin", true}, Row{"/m/list.yaml", "m--list", "in/w", true},
        Row{"/m/w.bin?sig=secret", "m--w.bin", "w.bin", false}}) {
    SCOPED_TRACE(row.url);
    auto done = get(cache, {source.url(row.url)});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->set.name, row.name);
    EXPECT_EQ(read_text(folder.path("c/" + row.name + "/" + row.path)), bytes);
    EXPECT_EQ(done->set.record.files.at(0).published, row.published);
    EXPECT_THAT(to_text(done->set.record), Not(HasSubstr("secret")));
  }
  EXPECT_THAT(get(cache, {source.url("/n/")}).error().message, HasSubstr("wants a SHA256SUMS"));
}

TEST_F(WeightsFetch, a_manifest_that_lists_other_files_by_now_is_not_taken_for_the_set_there) {
  const std::string bytes = some_bytes(100, 4);
  source.put("/w", {bytes, "1"});
  Cache cache = open(0);
  WantedSet wanted{.name = "m", .sources = {}, .list = {.source = "file:///m.yaml"}};
  wanted.list.files.push_back({.path = "w", .url = source.url("/w")});
  const auto get_it = [&] { return fetch(cache, wanted, settings, nullptr, {}); };
  ASSERT_TRUE(get_it());
  EXPECT_TRUE(get_it()->was_there);
  wanted.list.files[0].digest_of = DigestOf::kSha256;
  wanted.list.files[0].digest = sha256_of(bytes);
  EXPECT_TRUE(get_it()->was_there) << "now it says what it was";
  wanted.list.files[0].digest = sha256_of("others");
  auto other = get_it();
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("with other files than file:///m.yaml lists"));
}

TEST_F(WeightsFetch, a_set_of_presigned_urls_wants_a_name) {
  source.put("/x/a", {"1", "1"});
  source.put("/x/b", {"22", "1"});
  Cache cache = open(0);
  const std::vector<std::string> urls = {source.url("/x/a?s=1"), source.url("/x/b?s=2")};
  EXPECT_THAT(get(cache, urls).error().message, HasSubstr("--name NAME"));
  auto done = get(cache, urls, "both");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(read_text(folder.path("c/both/b")), "22");
}

TEST_F(WeightsFetch, what_does_not_fit_is_not_begun) {
  source.put("/w", {some_bytes(2000, 1), "1"});
  Cache cache = open(1999);
  EXPECT_THAT(get(cache, {source.url("/w")}).error().message, HasSubstr("raise --capacity"));
  EXPECT_EQ(source.sent(), 1) << "but for the byte that tells the size";
}

TEST_F(WeightsFetch, a_folder_of_that_name_that_is_not_ours_is_not_touched) {
  source.put("/w", {"1", "1"});
  ASSERT_TRUE(make_folders(folder.path("c/w")));
  std::ofstream(folder.path("c/w/theirs")) << "x";
  Cache cache = open(0);
  auto done = get(cache, {source.url("/w")});
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("not ours"));
  EXPECT_EQ(read_text(folder.path("c/w/theirs")), "x");
}

}  // namespace
}  // namespace tidegate::live::weights
