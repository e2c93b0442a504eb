// What cannot be read is set aside, for a person to look at: it keeps its place and its bytes under
// a name that no start takes for a log or a segment. Nothing removes it.
#pragma once

#include <string>

#include "spool/file_system.h"

namespace penstock::spool {

// "0000000000000001.damaged", "KEY.1.damaged-2"
[[nodiscard]] bool is_set_aside(const std::string& name);

// Renames a segment, or the directory of a log, and syncs the directory above. Returns the new
// path.
IoResult<std::string> set_aside(FileSystem& file_system, const std::string& path);

}  // namespace penstock::spool
