#include "spool/redirect.h"

#include <memory>
#include <utility>

#include "spool/spool_directory.h"
#include "spool/spool_inspection.h"

namespace penstock::spool {
namespace {

struct Found {
  std::string directory;
  LogDescription to;
  RedirectedLog log;
};

uint64_t events_pending(const InspectedLog& log) {
  uint64_t events = 0;
  for (const InspectedSegment& segment : log.segments) events += segment.events_pending;
  return events;
}

Result<std::vector<Found>, Error> find(FileSystem& file_system, const std::string& directory,
                                       const Redirection& to,
                                       const std::function<void(const std::string&)>& unreadable) {
  const auto logs = inspect_spool(file_system, directory, {.unreadable = unreadable});
  if (!logs) return failure(logs.error());
  std::vector<Found> found;
  uint64_t overflow_events = 0;  // overflow logs stand before their main log
  uint64_t overflow_bytes = 0;
  for (const InspectedLog& log : *logs) {
    if (log.overflow) {
      overflow_events += events_pending(log);
      overflow_bytes += log.file_bytes;
      continue;
    }
    const uint64_t events = std::exchange(overflow_events, 0) + events_pending(log);
    const uint64_t bytes = std::exchange(overflow_bytes, 0) + log.file_bytes;
    // Without a description the next start sets the log aside.
    if (log.description.target.empty()) continue;
    auto described = to(log.description);
    if (!described || *described == log.description) continue;
    found.push_back(
        {log.directory, std::move(*described), {log.description, log.generation, events, bytes}});
  }
  return found;
}

}  // namespace

Result<std::vector<RedirectedLog>, Error> logs_to_redirect(
    FileSystem& file_system, const std::string& directory, const Redirection& to,
    const std::function<void(const std::string&)>& unreadable) {
  auto found = find(file_system, directory, to, unreadable);
  if (!found) return failure(found.error());
  std::vector<RedirectedLog> logs;
  for (Found& each : *found) logs.push_back(std::move(each.log));
  return logs;
}

Result<std::vector<RedirectedLog>, Error> redirect_logs(
    FileSystem& file_system, const std::string& directory, const Redirection& to,
    const std::function<void(const std::string&)>& unreadable) {
  const auto lock = lock_spool(file_system, directory);
  if (!lock) return failure(lock.error());
  auto found = find(file_system, directory, to, unreadable);
  if (!found) return failure(found.error());
  std::vector<RedirectedLog> logs;
  for (Found& each : *found) {
    if (auto done = write_description(file_system, each.directory, each.to); !done) {
      return run_error("cannot write to " + each.directory + ": " + done.error().text() +
                       "; make room, or run this as the user that penstock runs as");
    }
    logs.push_back(std::move(each.log));
  }
  return logs;
}

}  // namespace penstock::spool
