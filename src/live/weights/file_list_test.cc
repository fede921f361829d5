#include "live/weights/file_list.h"

#include <gmock/gmock.h>

#include <map>

#include "live/weights/environment.h"
#include "live/weights/resolve.h"
#include "live/weights/wanted.h"

namespace tidegate::live::weights {
namespace {

using ::testing::HasSubstr;

const std::string kSum(64, 'a');

TEST(WeightsManifest, urls_are_relative_to_it_or_to_its_base) {
  auto list = read_manifest(
      "files:\n"
      "  - {path: a b, size: 27GB, sha256: " +
          std::string(64, 'A') +
          "}\n"
          "  - {path: c/d, url: 'https://o/x?sig=1', size: 5}\n"
          "  - {path: e, url: f}\n",
      "https://h/m/list.yaml?sig=2");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->source, "https://h/m/list.yaml");
  EXPECT_EQ(list->files[0],
            (WantedFile{"a b", "https://h/m/a%20b", 27'000'000'000, DigestOf::kSha256, kSum}));
  EXPECT_EQ(list->files[1], (WantedFile{"c/d", "https://o/x?sig=1", 5, DigestOf::kNone, ""}));
  EXPECT_EQ(list->files[2].url, "https://h/m/f");
  EXPECT_EQ(total_bytes(*list), -1);
  list = read_manifest(R"({"base": "https://o/b", "files": [{"path": "a", "size": 0}]})",
                       "file:///m.json");
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->files[0].url, "https://o/b/a");
  EXPECT_EQ(total_bytes(*list), 0);
}

TEST(WeightsManifest, what_is_wrong_is_named) {
  std::string many = "files: [";
  for (int i = 0; i <= 10'000; ++i) many += "{path: a" + std::to_string(i) + "},";
  struct Row {
    std::string text, says;
  };
  for (const Row& row : std::vector<Row>{
           {"", "is no manifest"},
           {"a: [", "is no YAML or JSON"},
           {"files: []", "names no file"},
           {"files: [3]", "files[0]: is no {path"},
           {"files: [{path: a, sha: x}]", "files[0]: has a key \"sha\""},
           {"files: [{path: a, size: -1}]", "size -1"},
           {"files: [{path: a, size: 17000GB}, {path: b, size: 18000GB}]", "at most 16 TiB"},
           {"files: [{path: a, sha256: abc}]", "64 hexadecimal digits"},
           {"files: [{path: a}, {path: a}]", "listed twice"},
           {"files: [{path: a}, {path: a/b}]", "a file and a folder"},
           {"files: [{path: ../a}]", "outside its folder"},
           {"files: [{path: a, url: 'ftp://h/a'}]", "is no source"},
           {"{name: a/b, files: [{path: a}]}", "no name of a set"},
           {many + "]", "over 10,000 files"},
           {std::string(kMaxManifestBytes + 1, ' '), "over 16 MiB"},
       }) {
    SCOPED_TRACE(row.says);
    auto list = read_manifest(row.text, "https://u:p@h/m.yaml");
    ASSERT_FALSE(list);
    EXPECT_THAT(list.error().message, HasSubstr(row.says));
    EXPECT_THAT(list.error().message, HasSubstr("https://h/m.yaml"));
  }
}

TEST(WeightsManifest, sums_are_as_sha256sum_prints_them) {
  auto list = read_sums(kSum + "  ./a b\r\n\n" + kSum + " *sub/c\n" + kSum + "  SHA256SUMS\n",
                        "https://h/m/");
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->files.size(), 2u);
  EXPECT_EQ(list->files[0].url, "https://h/m/a%20b");
  EXPECT_EQ(list->files[1].path, "sub/c");
  for (const std::string& bad : {std::string("x"), kSum, kSum + "  ", std::string(64, 'g') + "  a",
                                 kSum + "  /etc/passwd"}) {
    EXPECT_FALSE(read_sums(bad, "https://h/m/")) << bad;
  }
}

TEST(WeightsManifest, several_sets_stand_in_one_file) {
  auto sets = read_wanted(
      "from: hf://a/m@v1\n---\n{name: x, from: https://h/m.yaml}\n---\n"
      "files: [{path: w}]\nname: y\n---\n",
      "file:///etc/w.yaml");
  ASSERT_TRUE(sets) << sets.error().message;
  ASSERT_EQ(sets->size(), 3u);
  EXPECT_EQ((*sets)[0].name, "a--m--v1");
  EXPECT_EQ((*sets)[1].name, "x");
  EXPECT_EQ((*sets)[2].list.files[0].url, "file:///etc/w");
  for (const auto& [text, says] : std::vector<std::pair<std::string, std::string>>{
           {"", "names no set"},
           {"name: x", "lacks from"},
           {"{from: hf://a/m, size: 1}", "has a key \"size\""},
           {"from: a/m", "is no source"},
           {"from: hf://a/m\n---\nfrom: hf://a/m@main", "a second set is called a--m"},
           {"[1]", "is neither"}}) {
    SCOPED_TRACE(says);
    auto bad = read_wanted(text, "file:///etc/w.yaml");
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().message, HasSubstr(says));
  }
}

TEST(WeightsManifest, formats_beside_safetensors_are_left_out_unless_asked_for) {
  FileList hub{.source = "hf://a/m"};
  for (const char* path :
       {"model.safetensors", "pytorch_model.bin", "original/x.pth", "m.gguf", "config.json"}) {
    hub.files.push_back({.path = path});
  }
  const auto paths = [&](FileList list, const Choice& choice) {
    choose(list, choice);
    std::string out;
    for (const auto& file : list.files) out += file.path + " ";
    return out;
  };
  EXPECT_EQ(paths(hub, {}), "model.safetensors config.json ");
  EXPECT_EQ(paths(hub, {.include = {"*.gguf", "*.json"}, .exclude = {}}), "m.gguf config.json ");
  EXPECT_EQ(paths(hub, {.include = {}, .exclude = {"config*"}}), "model.safetensors ");
  hub.files.erase(hub.files.begin());
  EXPECT_EQ(paths(hub, {}), "pytorch_model.bin original/x.pth m.gguf config.json ");
}

TEST(WeightsManifest, the_next_page_is_the_one_called_next) {
  EXPECT_EQ(next_link(R"(<https://h/?a=1>; rel="prev", <https://h/?b=2>; rel="next")"),
            "https://h/?b=2");
  EXPECT_EQ(next_link(R"(<https://h/?a=1>; rel="prev")"), "");
  EXPECT_EQ(next_link("<x"), "");
  EXPECT_EQ(next_link(""), "");
}

TEST(WeightsAccess, the_environment_is_read_as_the_hubs_own_tools_do) {
  const auto of = [](std::map<std::string, std::string> values) {
    return [values](const std::string& name) -> std::optional<std::string> {
      auto it = values.find(name);
      return it == values.end() ? std::nullopt : std::optional(it->second);
    };
  };
  auto access = source_access({}, of({}));
  ASSERT_TRUE(access);
  EXPECT_EQ(access->endpoint, "https://huggingface.co");
  EXPECT_EQ(access->token, "");
  access = source_access({}, of({{"HF_ENDPOINT", "http://mirror:8080/"}, {"HF_TOKEN", "hf_a"}}));
  ASSERT_TRUE(access);
  EXPECT_EQ(access->endpoint, "http://mirror:8080");
  EXPECT_EQ(access->token, "hf_a");
  EXPECT_FALSE(source_access({.endpoint = "mirror"}, of({})));
  EXPECT_FALSE(source_access({.token_file = "/nonexistent"}, of({{"HF_TOKEN", "hf_a"}})));
}

}  // namespace
}  // namespace tidegate::live::weights
