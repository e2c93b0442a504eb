// What changed between two configurations, and what of it a reload cannot take up: where we listen,
// which directory we use, how much memory we may have.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "config/options.h"

namespace penstock::config {

struct Change {
  std::string key;  // "streams.audit.region", "sources.forward.listen", "streams.old (removed)"
  bool needs_restart = false;
};

// What the running source goes on as: the wanted one at its address, whatever its name (unnamed
// sources are counted, so removing one renames those after it), else the one of its name, if that
// has an address of no other. Null: it is removed.
template <class Source>
[[nodiscard]] const Source* counterpart(const Source& now, const std::vector<Source>& running,
                                        const std::vector<Source>& wanted) {
  const auto listens_at = [](const auto& address) {
    return [&](const Source& source) { return source.listen == address; };
  };
  const auto same = std::find_if(wanted.begin(), wanted.end(), listens_at(now.listen));
  if (same != wanted.end()) return &*same;
  const auto moved = std::find_if(wanted.begin(), wanted.end(), [&](const Source& source) {
    return source.name == now.name &&
           std::none_of(running.begin(), running.end(), listens_at(source.listen));
  });
  return moved == wanted.end() ? nullptr : &*moved;
}

// Empty when nothing changed. Streams are matched by name, sources as above, wherever they stand.
[[nodiscard]] std::vector<Change> diff(const Config& running, const Config& wanted);

// `wanted` with everything that needs a restart put back to what is running: what a reload applies.
// A source that is new waits for the restart; one that was removed goes on unchanged until then,
// and one that was renamed keeps its name until then.
[[nodiscard]] Config applicable(const Config& running, Config wanted);

}  // namespace penstock::config
