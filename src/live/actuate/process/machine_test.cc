// Devices, ports, logs and /proc: what the box has and who uses it.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "live/actuate/process/devices.h"
#include "live/actuate/process/logs.h"
#include "live/actuate/process/ports.h"
#include "live/actuate/process/proc.h"
#include "live/actuate/process/spawn.h"
#include "live/actuate/test_world.h"

namespace tidegate::live {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(DevicePool, leases_the_lowest_free_devices_and_none_twice) {
  DevicePool pool({"0", "1", "2", "3"});
  auto a = pool.lease({.count = 2});
  auto b = pool.lease({.count = 1});
  EXPECT_EQ(a->visible(), "0,1");
  EXPECT_EQ(b->visible(), "2");
  EXPECT_FALSE(pool.can_lease({.count = 2}));
  EXPECT_FALSE(pool.lease({.count = 2})) << "one is left, two are asked";
  EXPECT_EQ(pool.free(), 1u) << "a refused lease takes nothing";
  pool.release(*a);
  EXPECT_EQ(pool.lease({.count = 3})->visible(), "0,1,3");
}

TEST(DevicePool, a_fraction_shares_a_device_until_it_is_full) {
  DevicePool pool({"0", "1"});
  auto half = pool.lease({.count = 1, .fraction = 0.5});
  EXPECT_EQ(pool.lease({.count = 1, .fraction = 0.5})->visible(), "0");
  EXPECT_EQ(pool.lease({.count = 1, .fraction = 0.5})->visible(), "1");
  EXPECT_FALSE(pool.lease({.count = 1})) << "a whole one is no longer there";
  pool.release(*half);
  EXPECT_EQ(pool.lease({.count = 2, .fraction = 0.5})->visible(), "0,1");
  EXPECT_FALSE(pool.can_lease({.count = 1, .fraction = 0.001}));
}

TEST(DevicePool, a_lease_survives_the_journal) {
  for (const char* text : {"", "0", "0,1", "GPU-ab,GPU-cd", "3:500000"}) {
    EXPECT_EQ(DevicePool::Lease::from_text(text).text(), text);
  }
  DevicePool pool({"0", "1"});
  pool.adopt(DevicePool::Lease::from_text("1,7"));  // 7 was taken out of the box meanwhile
  EXPECT_EQ(pool.lease({.count = 1})->visible(), "0");
  EXPECT_FALSE(pool.can_lease({.count = 1}));
  pool.release(DevicePool::Lease::from_text("1,7"));
  EXPECT_TRUE(pool.can_lease({.count = 1}));
}

TEST(DevicePool, a_box_without_devices_bounds_nothing) {
  DevicePool pool = DevicePool::unbounded();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pool.lease({.count = 8})->visible(), "");
}

TEST(DevicePool, the_environment_says_what_there_is_and_rubbish_is_an_error) {
  ::setenv("TIDEGATE_DEVICES", "3", 1);
  EXPECT_EQ(DevicePool::detect()->lease({.count = 3})->visible(), "0,1,2");
  for (const char* bad : {"0", "-1", "x", "4x", "1025"}) {
    ::setenv("TIDEGATE_DEVICES", bad, 1);
    auto pool = DevicePool::detect();
    ASSERT_FALSE(pool) << bad;
    EXPECT_THAT(pool.error().message, HasSubstr("from 1 to 1024"));
  }
  ::setenv("TIDEGATE_DEVICES", "1024", 1);
  EXPECT_EQ(DevicePool::detect()->size(), 1024u);
  ::unsetenv("TIDEGATE_DEVICES");
  ::setenv("CUDA_VISIBLE_DEVICES", "2,5", 1);
  EXPECT_EQ(DevicePool::detect()->lease({.count = 2})->visible(), "2,5");
  EXPECT_EQ(DevicePool::detect([] { return 8; })->size(), 2u) << "nobody asks the driver then";
  ::unsetenv("CUDA_VISIBLE_DEVICES");
}

TEST(DevicePool, what_the_driver_counts_is_there) {
  EXPECT_EQ(DevicePool::detect([] { return 4; })->lease({.count = 4})->visible(), "0,1,2,3");
  EXPECT_EQ(DevicePool::detect([] { return 5000; })->size(), 1024u);
}

TEST(PortPool, gives_each_port_once_skips_those_in_use_and_says_when_none_is_left) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::uint16_t taken = ntohs(address.sin_port);
  PortPool pool(taken, taken);
  EXPECT_THAT(pool.take().error().message, HasSubstr("no free port")) << "somebody listens there";
  ::close(fd);
  EXPECT_EQ(pool.take().value(), taken);
  EXPECT_FALSE(pool.take()) << "ours already";
  pool.release(taken);
  EXPECT_EQ(pool.take().value(), taken);
}

TEST(EngineLogs, the_oldest_beyond_the_limit_go_but_none_that_is_written) {
  TestDirectory directory;
  EngineLogs logs(directory.path() + "/logs", "org/m-h100");
  auto exists = [&](std::uint64_t id) {
    return std::filesystem::exists(*logs.path(ReplicaId(id)));
  };
  for (std::uint64_t id = 1; id <= EngineLogs::kMaxFiles; ++id)
    std::ofstream(*logs.path(ReplicaId(id))) << "x";
  std::ofstream(directory.path() + "/logs/org_m-h100-extra.txt") << "not ours";
  logs.trim({});
  EXPECT_TRUE(exists(1)) << "at the limit all stay";
  std::ofstream(*logs.path(ReplicaId(EngineLogs::kMaxFiles + 1))) << "x";
  logs.trim({ReplicaId(1)});
  EXPECT_TRUE(exists(1)) << "a live replica writes to it";
  EXPECT_FALSE(exists(2));
  EXPECT_TRUE(exists(3));
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/logs/org_m-h100-extra.txt"));
}

TEST(EngineLogs, the_last_line_with_text_is_what_an_engine_said) {
  TestDirectory directory;
  EngineLogs logs(directory.path(), "m");
  EXPECT_EQ(logs.last_line(ReplicaId(1)), "") << "no file";
  std::ofstream(*logs.path(ReplicaId(1)))
      << std::string(9000, 'x') << "\nerror: \x1b no room\n \n\n";
  EXPECT_EQ(logs.last_line(ReplicaId(1)), "error:  no room");
  std::ofstream(*logs.path(ReplicaId(2))) << std::string(9000, 'x');
  EXPECT_EQ(logs.last_line(ReplicaId(2)).size(), EngineLogs::kMaxLine);
}

TEST(EngineLogs, a_file_over_its_limit_is_emptied_in_place) {
  TestDirectory directory;
  EngineLogs logs(directory.path(), "m");
  std::ofstream(*logs.path(ReplicaId(1))) << std::string(100, 'x');
  logs.trim({ReplicaId(1)}, 100);
  EXPECT_EQ(std::filesystem::file_size(*logs.path(ReplicaId(1))), 100u);
  logs.trim({ReplicaId(1)}, 99);
  EXPECT_EQ(std::filesystem::file_size(*logs.path(ReplicaId(1))), 0u);
}

TEST(Spawn, a_child_has_its_own_session_a_fresh_signal_state_and_none_of_our_descriptors) {
  TestDirectory directory;
  std::string log = directory.path() + "/log";
  int leaked = ::open("/dev/null", O_RDONLY);  // not close-on-exec
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  ::signal(SIGPIPE, SIG_IGN);
  auto pid =
      spawn({.words = {"sh", "-c",
                       "ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' /proc/self/status; "
                       "read line || echo no input; echo $GIVEN $HIDDEN; sleep 100"},
             .environment = {{"GIVEN", "given"}},
             .without = {"HIDDEN"},
             .log_path = log});
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::close(leaked);
  ASSERT_TRUE(pid) << pid.error().message;
  auto text = [&] {
    std::ifstream in(log);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  while (text().find("given") == std::string::npos &&
         process_alive(*pid, read_stat(*pid)->start_ticks)) {
  }
  EXPECT_EQ(read_stat(*pid)->group, *pid);
  EXPECT_EQ(::getsid(*pid), *pid);
  EXPECT_THAT(text(), HasSubstr("4\n")) << "0, 1, 2 and the directory that ls reads";
  EXPECT_THAT(text(), HasSubstr("SigBlk:\t0000000000000000"));
  auto ignored = text().find("SigIgn:\t");
  ASSERT_NE(ignored, std::string::npos);
  EXPECT_EQ(std::stoull(text().substr(ignored + 8, 16), nullptr, 16) & 0x7fffffff, 0u)
      << "1 to 31; the C library keeps 32 and 33 to itself";
  EXPECT_THAT(text(), HasSubstr("no input"));
  ::kill(-*pid, SIGTERM);
  int status = 0;
  ::waitpid(*pid, &status, 0);
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(Spawn, a_command_that_cannot_run_is_an_error_with_the_fix) {
  TestDirectory directory;
  std::string plain = directory.path() + "/plain";
  std::ofstream(plain) << "not a program";
  struct Row {
    const char* label;
    std::vector<std::string> words;
    std::string log;
    const char* says;
  };
  const Row rows[] = {
      {"a missing command", {"no-such-command-here"}, directory.path() + "/log", "no such command"},
      {"a missing path", {"/no/such/file"}, directory.path() + "/log", "no such command"},
      {"a file without its mode", {plain}, directory.path() + "/log", "not executable"},
      {"an empty command", {}, directory.path() + "/log", "empty"},
      {"a log file that cannot be opened",
       {"true"},
       "/no/such/directory/log",
       "cannot open log file"},
  };
  for (const auto& row : rows) {
    auto pid = spawn({.words = row.words, .environment = {}, .without = {}, .log_path = row.log});
    ASSERT_FALSE(pid) << row.label;
    EXPECT_THAT(pid.error().message, HasSubstr(row.says)) << row.label;
  }
}

TEST(Proc, a_zombie_is_dead_and_its_group_too) {
  pid_t child = ::fork();
  if (child == 0) {
    ::setpgid(0, 0);
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  auto stat = read_stat(child);
  ASSERT_TRUE(stat);
  EXPECT_TRUE(process_alive(child, stat->start_ticks));
  EXPECT_FALSE(process_alive(child, stat->start_ticks + 1))
      << "a later process with the same number";
  EXPECT_TRUE(group_alive(child));
  ::kill(child, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(read_stat(child)) << "not reaped yet";
  EXPECT_FALSE(process_alive(child, stat->start_ticks));
  EXPECT_FALSE(group_alive(child));
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(read_stat(child));
  EXPECT_FALSE(group_alive(child));
}

}  // namespace
}  // namespace tidegate::live
