// Sends what is stored for one target to another: for a target that does not exist, or is not to be
// used any more. Nothing is copied: a log goes where its description says, overflow logs with it,
// so that a log has the old target or the new one whenever the process stops.
//
// Thread: one; no process may have the spool open.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spool/file_system.h"
#include "spool/log_directory.h"

namespace penstock::spool {

struct RedirectedLog {
  LogDescription from;
  uint64_t generation = 0;
  uint64_t events = 0;  // pending
  uint64_t bytes = 0;   // of all its files
};

// The description a log is to have; nullopt: its own.
using Redirection = std::function<std::optional<LogDescription>(const LogDescription&)>;

// The logs that `to` changes; unreadable: see inspect_spool().
Result<std::vector<RedirectedLog>, Error> logs_to_redirect(
    FileSystem& file_system, const std::string& directory, const Redirection& to,
    const std::function<void(const std::string&)>& unreadable);

// Changes them, under the lock of the spool. Errors name the process that has the spool open, or
// what cannot be written; the logs changed before such an error keep their new target.
Result<std::vector<RedirectedLog>, Error> redirect_logs(
    FileSystem& file_system, const std::string& directory, const Redirection& to,
    const std::function<void(const std::string&)>& unreadable);

}  // namespace penstock::spool
