#include "live/actuate/exec/command_runner.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/base/check.h"
#include "live/actuate/process/spawn.h"

namespace tidegate::live {
namespace {

constexpr std::size_t kMaxQuoted = 200;

std::string last_line(const std::string& text) {
  auto end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  auto begin = text.rfind('\n', end);
  std::string line = text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin + 1) + 1);
  return line.substr(0, kMaxQuoted);
}

}  // namespace

CommandRunner::CommandRunner(net::Loop& loop, std::string output_path)
    : loop_(loop), path_(std::move(output_path)) {}

CommandRunner::~CommandRunner() {
  loop_.cancel(timer_);
  kill();
  if (pid_ > 0) ::waitpid(pid_, nullptr, WNOHANG);
}

void CommandRunner::run(const std::vector<std::string>& words, Duration limit,
                        std::function<void(Result<std::string>)> done) {
  TIDEGATE_CHECK(!running());
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ignored);
  std::filesystem::remove(path_,
                          ignored);  // a straggler of the run before may still write to the old one
  done_ = std::move(done);
  running_ = true;
  auto started = spawn({.words = words, .environment = {}, .without = {}, .log_path = path_});
  if (!started) {
    loop_.defer([this, weak = std::weak_ptr(alive_), error = started.error()] {
      if (weak.lock()) finish(fail(error));
    });
    return;
  }
  pid_ = *started;
  late_ = false;
  limit_ = limit;
  program_ = words[0];
  timer_ = loop_.after(limit, [this] {
    timer_ = net::Loop::TimerId::kNone;
    late_ = true;
    kill();
  });
  auto watched = loop_.watch_process(pid_, [this, weak = std::weak_ptr(alive_)] {
    if (weak.lock()) ended();
  });
  TIDEGATE_CHECK(watched.has_value());  // a child that is not reaped always has a pidfd
}

void CommandRunner::kill() {
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

void CommandRunner::ended() {
  int status = 0;
  ::waitpid(pid_, &status, WNOHANG);
  pid_ = 0;
  loop_.cancel(timer_);
  timer_ = net::Loop::TimerId::kNone;
  std::string text = output();
  if (!late_ && WIFEXITED(status) && WEXITSTATUS(status) == 0) return finish(std::move(text));
  std::string what = "\"" + program_ + "\" ";
  if (late_) {
    what += "not done within " + std::to_string(limit_ / seconds(1)) + " s, killed";
  } else if (WIFSIGNALED(status)) {
    what += "killed by signal " + std::to_string(WTERMSIG(status));
  } else {
    what += "exited with status " + std::to_string(WEXITSTATUS(status));
  }
  std::string line = last_line(text);
  finish(fail(line.empty() ? what : what + ": " + line));
}

void CommandRunner::finish(Result<std::string> result) {
  running_ = false;
  auto done = std::move(done_);
  done(std::move(result));  // may run the next, or destroy us
}

std::string CommandRunner::output() const {
  std::ifstream in(path_, std::ios::binary);
  std::string text(kMaxOutput, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  std::error_code ignored;
  if (text.size() == kMaxOutput) std::filesystem::resize_file(path_, kMaxOutput, ignored);
  return text;
}

}  // namespace tidegate::live
