#include "live/net/tls/digest.h"

#include <gtest/gtest.h>

namespace tidegate::net {
namespace {

struct Row {
  const char* label;
  DigestKind kind;
  std::string bytes;
  const char* hex;
};

TEST(Digest, is_what_the_standards_say_whole_and_in_pieces) {
  // FIPS 180-4's examples; the last is git's name of an empty blob.
  const Row rows[] = {
      {"nothing", DigestKind::kSha256, "",
       "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", DigestKind::kSha256, "abc",
       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"more than a block", DigestKind::kSha256,
       "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abc by SHA-1", DigestKind::kSha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"an empty blob of git", DigestKind::kSha1, std::string("blob 0\0", 7),
       "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.label);
    Digest sum(row.kind);
    sum.update(row.bytes);
    EXPECT_EQ(sum.hex(), row.hex);
    for (char c : row.bytes) sum.update(std::string_view(&c, 1));
    EXPECT_EQ(sum.hex(), row.hex) << "byte by byte, after a first use";
  }
}

}  // namespace
}  // namespace tidegate::net
