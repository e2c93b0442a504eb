#include "config/diff.h"

#include <algorithm>

#include "config/schema.h"

namespace penstock::config {
namespace {

const StreamOptions* counterpart(const StreamOptions& now, const std::vector<StreamOptions>&,
                                 const std::vector<StreamOptions>& wanted) {
  const auto found = std::find_if(wanted.begin(), wanted.end(), [&](const StreamOptions& stream) {
    return stream.key == now.key;
  });
  return found == wanted.end() ? nullptr : &*found;
}

template <class T>
const std::string& name_of(const T& source) {
  return source.name;
}
const std::string& name_of(const StreamOptions& stream) { return stream.key; }

// Changes between two lists whose elements have names. A new or removed source opens or closes a
// port and waits for a restart; a stream does not.
template <class T>
void compare_named(const std::string& prefix, const std::vector<T>& running,
                   const std::vector<T>& wanted, bool restart_for_members,
                   std::vector<Change>& changes) {
  std::vector<const T*> known;
  for (const T& now : running) {
    const std::string at = prefix + name_of(now);
    const T* then = counterpart(now, running, wanted);
    if (then == nullptr) {
      changes.push_back({at + " (removed)", restart_for_members});
      continue;
    }
    known.push_back(then);
    for (const ChangedOption& option : changed_options(now, *then)) {
      changes.push_back({at + "." + option.key, option.needs_restart});
    }
  }
  for (const T& then : wanted) {
    if (std::find(known.begin(), known.end(), &then) == known.end()) {
      changes.push_back({prefix + name_of(then) + " (new)", restart_for_members});
    }
  }
}

template <class T>
void compare_section(const std::string& prefix, const T& running, const T& wanted,
                     std::vector<Change>& changes) {
  for (const ChangedOption& option : changed_options(running, wanted)) {
    changes.push_back({prefix + "." + option.key, option.needs_restart});
  }
}

// The running sources, each with what may change without a restart.
template <class T>
std::vector<T> applicable_sources(const std::vector<T>& running, const std::vector<T>& wanted) {
  std::vector<T> sources;
  for (const T& now : running) {
    const T* then = counterpart(now, running, wanted);
    T& source = sources.emplace_back(then != nullptr ? *then : now);
    source.name = now.name;  // that of its metrics, and of the routes' `source`
    source.listen = now.listen;
    if constexpr (std::is_same_v<T, SyslogOptions>) source.udp = now.udp;  // opens a port
  }
  return sources;
}

}  // namespace

std::vector<Change> diff(const Config& running, const Config& wanted) {
  std::vector<Change> changes;
  compare_named("sources.", running.forward, wanted.forward, true, changes);
  compare_named("sources.", running.http, wanted.http, true, changes);
  compare_named("sources.", running.syslog, wanted.syslog, true, changes);
  compare_named("streams.", running.streams, wanted.streams, false, changes);
  for (const ChangedOption& option : changed_options(running, wanted)) {
    if (option.key == "spool") {
      compare_section("spool", running.spool, wanted.spool, changes);
    } else if (option.key == "dead_letters") {
      compare_section("dead_letters", running.dead_letters, wanted.dead_letters, changes);
    } else if (option.key == "aws") {
      compare_section("aws", running.aws, wanted.aws, changes);
    } else if (option.key == "admin.secure" && running.admin_secure && wanted.admin_secure) {
      compare_section("admin.secure", *running.admin_secure, *wanted.admin_secure, changes);
    } else {
      changes.push_back({option.key, option.needs_restart});
    }
  }
  return changes;
}

Config applicable(const Config& running, Config wanted) {
  wanted.forward = applicable_sources(running.forward, wanted.forward);
  wanted.http = applicable_sources(running.http, wanted.http);
  wanted.syslog = applicable_sources(running.syslog, wanted.syslog);
  if (wanted.spool.directory != running.spool.directory) {
    wanted.ack = running.ack;  // it may hang on there being a directory
  }
  wanted.spool.directory = running.spool.directory;
  wanted.dead_letters.directory = running.dead_letters.directory;
  wanted.memory_limit = running.memory_limit;
  wanted.admin_listen = running.admin_listen;
  if (running.admin_secure && wanted.admin_secure) {
    wanted.admin_secure->listen = running.admin_secure->listen;
  } else {
    wanted.admin_secure = running.admin_secure;  // opens or closes a port
  }
  return wanted;
}

}  // namespace penstock::config
