#include "spool/set_aside.h"

#include <algorithm>
#include <string_view>

namespace penstock::spool {
namespace {

constexpr std::string_view kSuffix = ".damaged";

}  // namespace

bool is_set_aside(const std::string& name) {
  const size_t at = name.rfind(kSuffix);
  if (at == std::string::npos) return false;
  const size_t end = at + kSuffix.size();
  return end == name.size() || name[end] == '-';
}

IoResult<std::string> set_aside(FileSystem& file_system, const std::string& path) {
  const size_t slash = path.find_last_of('/');
  const std::string parent = path.substr(0, slash);
  std::string name = path.substr(slash + 1);
  if (name.ends_with(".seg")) name.resize(name.size() - 4);
  name += kSuffix;
  const auto names = file_system.list(parent);
  if (!names) return failure(names.error());
  std::string free = name;
  for (int i = 2; std::find(names->begin(), names->end(), free) != names->end(); ++i) {
    free = name + "-" + std::to_string(i);
  }
  const std::string to = parent + "/" + free;
  if (auto done = file_system.rename(path, to); !done) return failure(done.error());
  if (auto done = file_system.sync_directory(parent); !done) return failure(done.error());
  return to;
}

}  // namespace penstock::spool
