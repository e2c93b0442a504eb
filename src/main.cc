#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/command_line.h"

namespace {

// `run` waits for its signals itself (daemon/signals.h). They are blocked before main() and before
// the libraries' constructors, which take some 10 ms: until then a SIGHUP or SIGTERM would end the
// process by its default action. No library is initialised yet: plain system calls only.
__attribute__((no_sanitize("address", "thread", "undefined"))) void block_signals_of_run(
    int count, char** arguments, char**) {
  bool is_run = false;
  for (int i = 1; i < count; ++i) {
    const char* const text = arguments[i];
    is_run = is_run || (text[0] == 'r' && text[1] == 'u' && text[2] == 'n' && text[3] == '\0');
  }
  if (!is_run) return;
  // The kernel's own form of a signal set.
  const unsigned long set = 1ul << (SIGTERM - 1) | 1ul << (SIGINT - 1) | 1ul << (SIGHUP - 1);
  ::syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, nullptr, sizeof set);
}

__attribute__((section(".preinit_array"),
               used)) void (*const kBeforeAll)(int, char**, char**) = block_signals_of_run;

}  // namespace

int main(int argc, char** argv) { return penstock::cli::run_command_line(argc, argv); }
