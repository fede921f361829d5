#include "live/weights/names.h"

#include <gmock/gmock.h>

namespace tidegate::live::weights {
namespace {

using ::testing::HasSubstr;

TEST(WeightsNames, sources_are_known_by_their_form) {
  struct Row {
    const char* text;
    SourceKind kind;
    const char* name;
  };
  for (const Row& row : {
           Row{"hf://Qwen/Qwen3-32B", SourceKind::kHub, "Qwen--Qwen3-32B"},
           Row{"hf://Qwen/Qwen3-32B@main", SourceKind::kHub, "Qwen--Qwen3-32B"},
           Row{"hf://a/b@v1.0", SourceKind::kHub, "a--b--v1.0"},
           Row{"hf://a/b@refs/pr/3", SourceKind::kHub, "a--b--refs--pr--3"},
           Row{"https://h/models/m.yaml?sig=1", SourceKind::kManifest, "models--m"},
           Row{"https://h/m/manifest.json", SourceKind::kManifest, "m--manifest"},
           Row{"https://h:8443/models/m/", SourceKind::kPrefix, "models--m"},
           Row{"https://h", SourceKind::kPrefix, nullptr},
           Row{"https://h/b/m%20x.gguf?X-Amz-Signature=s", SourceKind::kFile, "b--m-x.gguf"},
           Row{"file:///mnt/models/m/", SourceKind::kPrefix, "mnt--models--m"},
       }) {
    SCOPED_TRACE(row.text);
    auto source = parse_source(row.text);
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_EQ(source->kind, row.kind);
    if (row.name != nullptr) {
      EXPECT_EQ(set_name(row.text), row.name);
    }
    EXPECT_TRUE(check_name(set_name(row.text)));
  }
}

TEST(WeightsNames, what_is_no_source_is_refused_with_what_to_write) {
  for (const char* text :
       {"", "Qwen/Qwen3-32B", "hf://Qwen", "hf://a/b/c", "hf://a/b@", "hf:///b", "hf://a/..",
        "hf://a/b@x?y", "ftp://h/x", "file://x", "https:///x", "https://h/a b"}) {
    auto source = parse_source(text);
    ASSERT_FALSE(source) << text;
    EXPECT_THAT(source.error().message, HasSubstr("write")) << text;
  }
  EXPECT_THAT(parse_source("ftp://u:secret@h/x?sig=alsosecret").error().message,
              Not(HasSubstr("secret")));
}

TEST(WeightsNames, a_name_is_a_label_however_long_the_source) {
  const std::string at_limit(63, 'x'), over(64, 'x');
  EXPECT_EQ(clean_name(at_limit), at_limit);
  EXPECT_TRUE(check_name(at_limit));
  EXPECT_FALSE(check_name(over));
  const std::string cut = clean_name(over);
  EXPECT_EQ(cut.size(), 63u);
  EXPECT_TRUE(check_name(cut));
  EXPECT_NE(cut, clean_name(over + "y")) << "what is cut off still tells names apart";
  EXPECT_EQ(clean_name("/a b/c_"), "a-b--c");
  EXPECT_TRUE(check_name(clean_name("///"))) << "of nothing usable, a hash";
}

TEST(WeightsNames, nothing_secret_is_shown) {
  EXPECT_EQ(public_text("https://u:p@h:8/a@b?X-Amz-Signature=s#f"), "https://h:8/a@b");
  EXPECT_EQ(public_text("https://h/a"), "https://h/a");
  EXPECT_EQ(public_text("hf://a/b@r"), "hf://a/b@r");
  EXPECT_EQ(origin("https://u:p@h:8/a?b"), "https://h:8");
  EXPECT_EQ(origin("https://h?b"), "https://h");
}

TEST(WeightsNames, links_are_taken_as_at_their_page) {
  struct Row {
    const char *base, *link, *url;
  };
  for (const Row& row : {Row{"https://h/m/list.yaml?sig=1", "a.bin", "https://h/m/a.bin"},
                         Row{"https://h/m/list.yaml", "/b/a.bin", "https://h/b/a.bin"},
                         Row{"https://h/m/", "s/a.bin?x=1", "https://h/m/s/a.bin?x=1"},
                         Row{"https://h", "a.bin", "https://h/a.bin"},
                         Row{"https://h/m/", "https://o/a", "https://o/a"},
                         Row{"file:///mnt/m.yaml", "a", "file:///mnt/a"}}) {
    EXPECT_EQ(join_url(row.base, row.link), row.url);
  }
  EXPECT_EQ(percent_encode_path("a b/ü#?.bin"), "a%20b/%C3%BC%23%3F.bin");
  EXPECT_EQ(percent_decode("a%20b%2"), "a b%2");
}

TEST(WeightsNames, no_path_leaves_its_folder) {
  for (const std::string& good :
       {std::string("a"), std::string("a/b.c"), std::string("..a/b"), std::string(255, 'x')}) {
    EXPECT_TRUE(check_path(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("/a"), std::string("a//b"), std::string("../a"),
        std::string("a/.."), std::string("./a"), std::string("a/"), std::string("a\\b"),
        std::string("a\nb"), std::string(256, 'x'), std::string(".tidegate-state"),
        std::string("a/.tidegate-x"), std::string(600, 'x') + "/" + std::string(600, 'y')}) {
    EXPECT_FALSE(check_path(bad)) << bad;
  }
}

}  // namespace
}  // namespace tidegate::live::weights
