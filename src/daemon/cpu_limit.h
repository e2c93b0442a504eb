// How many CPUs this process may use: those of its affinity, limited by the quotas of its control
// groups (version 1 and 2), which in a container are far fewer than the machine has.
//
// Thread: any; reads /proc and /sys at start-up.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::daemon {

// At least 1; a quota of one and a half CPUs counts as 2.
[[nodiscard]] size_t usable_cpus();

// The smallest quota of the control groups that the process is in and those around them, in CPUs;
// absent: none. root: "" or, in tests, where a copy of /proc and /sys is.
[[nodiscard]] std::optional<double> cgroup_cpus(const std::string& root = {});

// The parts of it that are pure.
// cpu.max of version 2: "20000 100000", "max 100000".
[[nodiscard]] std::optional<double> cpus_of_cpu_max(std::string_view text);
// cpu.cfs_quota_us and cpu.cfs_period_us of version 1; a quota of -1 is none.
[[nodiscard]] std::optional<double> cpus_of_cfs(std::string_view quota, std::string_view period);

}  // namespace penstock::daemon
