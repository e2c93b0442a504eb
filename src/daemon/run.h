// `penstock run`, whole: load the configuration, build every stage, forward until told to stop.
#pragma once

#include <string>

namespace penstock::daemon {

struct RunOptions {
  std::string config_file;  // empty: /etc/penstock/penstock.yaml, else the environment alone
  std::string commit;       // what the binary was made from, for the status page
};

// Returns the exit code; errors are on stderr. Blocks SIGTERM, SIGINT and SIGHUP in all
// threads and waits for them on the calling one.
[[nodiscard]] int run_daemon(const RunOptions& options);

}  // namespace penstock::daemon
