#include "sim/report/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/report/out_file.h"
#include "sim/report/report_test_data.h"

namespace tidegate::sim {
namespace {

using namespace testing_report;
namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string path(const std::string& name) { return (root_ / name).string(); }
  std::vector<std::string> there() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  fs::path root_ = fs::path(::testing::TempDir()) / "tidegate_files_test";
};

TEST_F(FilesTest, AFileIsThereWholeOrNotAtAll) {
  std::ofstream(path("a")) << "before";
  {
    auto file = *OutFile::create(path("a"));
    file->write("after");
    EXPECT_EQ(read(path("a")), "before") << "what was there stays until the end";
  }
  EXPECT_EQ(there(), std::vector<std::string>{"a"}) << "given up: nothing is left";
  EXPECT_EQ(read(path("a")), "before");
  auto file = *OutFile::create(path("a"));
  std::string large(200'000, 'x');
  file->write("after");
  file->write(large);
  EXPECT_TRUE(file->commit());
  EXPECT_EQ(read(path("a")), "after" + large);
  EXPECT_EQ(there(), std::vector<std::string>{"a"});
}

TEST_F(FilesTest, ALinkStaysALink) {
  fs::create_symlink(path("real"), path("link"));
  std::ofstream(path("real")) << "old";
  auto file = *OutFile::create(path("link"));
  file->write("new");
  EXPECT_TRUE(file->commit());
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(read(path("real")), "new");
}

TEST_F(FilesTest, WhatCannotBeWrittenIsSaidWithPathAndReason) {
  struct Row {
    const char* label;
    std::string path, expected;
  };
  for (const Row& row :
       {Row{"a folder that is not there", path("no/such"), "No such file or directory"},
        Row{"a folder", root_.string(), "is a directory"}, Row{"no name", "", "no name given"}}) {
    SCOPED_TRACE(row.label);
    auto file = OutFile::create(row.path);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().message, "cannot write " + row.path + ": " + row.expected);
  }
}

TEST_F(FilesTest, AFullDiskIsToldAtTheEnd) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this machine";
  auto file = *OutFile::create("/dev/full");
  file->write(std::string(1'000'000, 'x'));
  auto done = file->commit();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "cannot write /dev/full: No space left on device");
}

TEST_F(FilesTest, APipeIsWrittenInPlace) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  int reader = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  auto file = *OutFile::create(path("pipe"));
  file->write("row");
  EXPECT_TRUE(file->commit());
  char seen[8] = {};
  EXPECT_EQ(::read(reader, seen, sizeof seen), 3);
  EXPECT_STREQ(seen, "row");
  ::close(reader);
  EXPECT_EQ(there(), std::vector<std::string>{"pipe"});
}

TEST_F(FilesTest, SeveralPoliciesGoIntoTheSameFiles) {
  FilesAsked asked{path("r.csv"), path("d.csv"), path("t.json"), path("o.html")};
  auto files = Files::open(asked, {.program = "tidegate"});
  ASSERT_TRUE(files);
  for (const char* policy : {"hpa", "keda:5"}) {
    Recorder* recorder = (*files)->recorder(policy, two_variants());
    ASSERT_NE(recorder, nullptr);
    tell_life(*recorder);
    recorder->request({.number = 1, .arrived = at(1), .ended = at(2)});
    recorder->decision(decision(at(3), {1, 0}), 0);
    recorder->sample({.at = at(4)});
  }
  EXPECT_FALSE(fs::exists(path("r.csv"))) << "only when it is whole";
  auto results = nlohmann::ordered_json::array({{{"policy", "hpa"}}});
  ASSERT_TRUE((*files)->finish(results));
  EXPECT_EQ(there(), (std::vector<std::string>{"d.csv", "o.html", "r.csv", "t.json"}));
  std::string requests = read(path("r.csv"));
  EXPECT_NE(requests.find("\r\nhpa,qwen,1,"), requests.npos);
  EXPECT_NE(requests.find("\r\nkeda:5,qwen,1,"), requests.npos);
  EXPECT_EQ(std::count(requests.begin(), requests.end(), '\n'), 3) << "one header, two rows";
  auto trace = nlohmann::json::parse(read(path("t.json")));
  EXPECT_EQ(trace["traceEvents"].back()["pid"].get<int>(), 2);
  EXPECT_NE(read(path("o.html")).find("\"policy\":\"keda:5\""), std::string::npos);
}

TEST_F(FilesTest, WithoutFinishNothingIsLeft) {
  {
    auto files = *Files::open({.requests = path("r.csv"), .report = path("o.html")}, {});
    files->recorder("hpa", two_variants())->request({.number = 1});
  }
  EXPECT_TRUE(there().empty());
}

TEST_F(FilesTest, WhereNothingIsAskedThereIsNoRecorder) {
  EXPECT_FALSE(FilesAsked{}.any());
  auto files = *Files::open({}, {});
  EXPECT_EQ(files->recorder("hpa", two_variants()), nullptr);
  EXPECT_TRUE(files->finish(nlohmann::ordered_json::array()));
}

TEST_F(FilesTest, OnePathForTwoFilesIsRefused) {
  auto files = Files::open({.requests = path("x"), .decisions = root_.string() + "/./x"}, {});
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().message, "cannot write " + root_.string() +
                                       "/./x: asked for twice; give each file its own name");
  EXPECT_TRUE(there().empty());
}

}  // namespace
}  // namespace tidegate::sim
