#include "kinesis/credentials/process_provider.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
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

enum class Ending { closed, deadline, too_much };

Ending read_output(int fd, SteadyTime until, std::string& output) {
  char bytes[4096];
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Ending::deadline;
    pollfd waiting{fd, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t count = ::read(fd, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return Ending::closed;
    output.append(bytes, static_cast<size_t>(count));
    if (output.size() > kOutputMax) return Ending::too_much;
  }
}

}  // namespace

Result<Credentials, Error> run_credential_process(const std::string& command,
                                                  milliseconds deadline) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return run_error(std::string("credential_process: no pipe: ") + std::strerror(errno));
  }
  const UniqueFd output_end(ends[0]);
  UniqueFd child_end(ends[1]);
  const auto child = spawn_shell(command, child_end.get());
  child_end.reset();
  if (!child) return failure(child.error());

  std::string output;
  const Ending ending =
      read_output(output_end.get(), std::chrono::steady_clock::now() + deadline, output);
  if (ending != Ending::closed) ::kill(-*child, SIGKILL);
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
  auto found = parse_credential_document(output, "credential_process");
  if (found) found->provider = "process";
  return found;
}

}  // namespace penstock::kinesis
