#include "daemon/cpu_limit.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace penstock::daemon {
namespace {

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<double> number_of(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return static_cast<double>(number);
}

std::optional<double> ratio(std::optional<double> quota, std::optional<double> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return *quota / *period;
}

// Where a hierarchy is mounted, and which group of it is seen there as the top.
struct Mount {
  std::string root;
  std::string point;
};

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

// A line of /proc/self/mountinfo: id parent dev root point options … - type source super-options
std::optional<Mount> find_mount(const std::string& mountinfo, bool version_2) {
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash)), behind(line.substr(dash + 3));
    std::string skipped, type, source, options;
    Mount mount;
    before >> skipped >> skipped >> skipped >> mount.root >> mount.point;
    behind >> type >> source >> options;
    const bool wanted =
        version_2 ? type == "cgroup2" : type == "cgroup" && has_word(options, "cpu");
    if (wanted) return mount;
  }
  return std::nullopt;
}

// A line of /proc/self/cgroup: 0::/path (version 2), 4:cpu,cpuacct:/path (version 1).
std::optional<std::string> find_group(const std::string& groups, bool version_2) {
  std::istringstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool wanted = version_2 ? line.starts_with("0::") : has_word(controllers, "cpu");
    if (wanted) return line.substr(second + 1);
  }
  return std::nullopt;
}

// The group's directory and those around it, up to the mount.
std::vector<std::string> directories_of(const Mount& mount, std::string group) {
  // Inside a container the mount shows the group itself, or one around it, as its top.
  if (mount.root != "/" && group.starts_with(mount.root)) group.erase(0, mount.root.size());
  std::vector<std::string> directories;
  for (;;) {
    while (group.ends_with('/')) group.pop_back();
    directories.push_back(mount.point + group);
    if (group.empty()) return directories;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

std::optional<double> quota_in(const std::string& directory, bool version_2) {
  if (version_2) {
    const auto text = read_file(directory + "/cpu.max");
    return text ? cpus_of_cpu_max(*text) : std::nullopt;
  }
  const auto quota = read_file(directory + "/cpu.cfs_quota_us");
  const auto period = read_file(directory + "/cpu.cfs_period_us");
  return quota && period ? cpus_of_cfs(*quota, *period) : std::nullopt;
}

size_t affinity_cpus() {
  // More than a static cpu_set_t holds fails with EINVAL: then as many as the machine has.
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    return static_cast<size_t>(std::max(CPU_COUNT(&set), 1));
  }
  return std::max(std::thread::hardware_concurrency(), 1u);
}

}  // namespace

std::optional<double> cpus_of_cpu_max(std::string_view text) {
  const size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  return ratio(number_of(text.substr(0, blank)), number_of(text.substr(blank + 1)));
}

std::optional<double> cpus_of_cfs(std::string_view quota, std::string_view period) {
  return ratio(number_of(quota), number_of(period));
}

std::optional<double> cgroup_cpus(const std::string& root) {
  const auto groups = read_file(root + "/proc/self/cgroup");
  const auto mounts = read_file(root + "/proc/self/mountinfo");
  if (!groups || !mounts) return std::nullopt;
  std::optional<double> least;
  for (const bool version_2 : {true, false}) {
    const auto group = find_group(*groups, version_2);
    const auto mount = find_mount(*mounts, version_2);
    if (!group || !mount) continue;
    for (const std::string& directory : directories_of(*mount, *group)) {
      const auto quota = quota_in(root + directory, version_2);
      if (quota && (!least || *quota < *least)) least = quota;
    }
  }
  return least;
}

size_t usable_cpus() {
  const size_t allowed = affinity_cpus();
  const auto quota = cgroup_cpus();
  if (!quota) return allowed;
  return std::min(allowed, static_cast<size_t>(std::max(std::ceil(*quota), 1.0)));
}

}  // namespace penstock::daemon
