#include "kinesis/credentials/process_provider.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <simdjson.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "kinesis/credentials/credential_document.h"

extern char** environ;

namespace penstock::kinesis {
namespace {

constexpr size_t kOutputMax = 64u << 10;

// A child in a process group of its own, whose stdout is `output`.
Result<pid_t, Error> spawn_shell(const std::string& command, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  std::string text = command;
  char shell[] = "sh", option[] = "-c";
  char* arguments[] = {shell, option, text.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return run_error(std::string("credential_process: cannot start /bin/sh: ") +
                     std::strerror(error));
  }
  return child;
}

enum class Ending { done, deadline, too_much };

// What can be read without waiting. False: the pipe is closed.
bool drain(int fd, std::string& output) {
  char bytes[4096];
  while (output.size() <= kOutputMax) {
    const ssize_t count = ::read(fd, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    output.append(bytes, static_cast<size_t>(count));
  }
  return true;
}

// Until the process has ended: a child that it left behind may keep the pipe open for long.
Ending read_output(int fd, int process, SteadyTime until, std::string& output) {
  bool is_open = true;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Ending::deadline;
    pollfd waiting[2] = {{process, POLLIN, 0}, {is_open ? fd : -1, POLLIN, 0}};
    if (::poll(waiting, 2, static_cast<int>(left.count())) <= 0) continue;
    if (is_open) is_open = drain(fd, output);
    if (output.size() > kOutputMax) return Ending::too_much;
    if (waiting[0].revents != 0) return Ending::done;
  }
}

// The format's version, a number.
bool names_version_1(std::string_view json) {
  simdjson::dom::parser parser;
  int64_t version = 0;
  return parser.parse(json.data(), json.size())["Version"].get(version) == simdjson::SUCCESS &&
         version == 1;
}

}  // namespace

Result<Credentials, Error> run_credential_process(const std::string& command,
                                                  milliseconds deadline) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return run_error(std::string("credential_process: no pipe: ") + std::strerror(errno));
  }
  const UniqueFd output_end(ends[0]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  UniqueFd child_end(ends[1]);
  const auto child = spawn_shell(command, child_end.get());
  child_end.reset();
  if (!child) return failure(child.error());

  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, *child, 0)));

  std::string output;
  const Ending ending = process ? read_output(output_end.get(), process.get(),
                                              std::chrono::steady_clock::now() + deadline, output)
                                : Ending::deadline;
  if (ending != Ending::done) ::kill(-*child, SIGKILL);
  int status = 0;
  while (::waitpid(*child, &status, 0) < 0 && errno == EINTR) {
  }
  if (ending == Ending::deadline) return run_error("credential_process did not end in time");
  if (ending == Ending::too_much) return run_error("credential_process printed too much");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return run_error("credential_process failed" +
                     (WIFEXITED(status) ? " with exit code " + std::to_string(WEXITSTATUS(status))
                                        : std::string()));
  }
  if (!names_version_1(output)) {
    return run_error("credential_process printed no \"Version\": 1, which the AWS tools ask for");
  }
  auto found = parse_credential_document(output, "credential_process");
  if (found) found->provider = "process";
  return found;
}

}  // namespace penstock::kinesis
