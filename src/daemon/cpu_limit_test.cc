#include "daemon/cpu_limit.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace penstock::daemon {
namespace {

// A copy of the files that a process sees.
class CgroupFiles : public ::testing::Test {
 protected:
  CgroupFiles() {
    std::string pattern = ::testing::TempDir() + "penstock-cgroup-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
  }
  ~CgroupFiles() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

TEST(CpuLimit, QuotasAreSharesOfTheirPeriod) {
  EXPECT_EQ(cpus_of_cpu_max("20000 100000\n"), 0.2);
  EXPECT_EQ(cpus_of_cpu_max("150000 100000\n"), 1.5);
  EXPECT_EQ(cpus_of_cpu_max("max 100000\n"), std::nullopt);
  EXPECT_EQ(cpus_of_cfs("50000\n", "100000\n"), 0.5);
  EXPECT_EQ(cpus_of_cfs("-1\n", "100000\n"), std::nullopt);
  for (const char* text :
       {"", "max", "1", "1 0", "-5 100000", "x 100000", "1 y", "20000 100000 3"}) {
    EXPECT_EQ(cpus_of_cpu_max(text), std::nullopt) << text;
  }
}

TEST_F(CgroupFiles, OfAContainerWithItsOwnNamespace) {
  write("/proc/self/cgroup", "0::/\n");
  write("/proc/self/mountinfo",
        "1 2 0:1 / / rw - overlay overlay rw\n"
        "30 29 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n");
  EXPECT_EQ(cgroup_cpus(root_), std::nullopt);
  write("/sys/fs/cgroup/cpu.max", "20000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 0.2);
}

TEST_F(CgroupFiles, TheSmallestOfTheGroupsAroundItCounts) {
  write("/proc/self/cgroup", "0::/system.slice/penstock.service\n");
  write("/proc/self/mountinfo",
        "30 29 0:26 / /sys/fs/cgroup rw shared:4 master:1 - cgroup2 cgroup2 rw\n");
  write("/sys/fs/cgroup/system.slice/penstock.service/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 3.0);
  write("/sys/fs/cgroup/system.slice/penstock.service/cpu.max", "50000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 0.5);
}

// The path is the host's, which the container's mount does not show.
TEST_F(CgroupFiles, OfVersion1InAContainer) {
  write("/proc/self/cgroup",
        "5:memory:/kubepods/burstable/pod1/abc\n4:cpu,cpuacct:/kubepods/burstable/pod1/abc\n"
        "1:name=systemd:/kubepods\n");
  write(
      "/proc/self/mountinfo",
      "31 30 0:27 /kubepods/burstable/pod1/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
      "32 30 0:28 /kubepods/burstable/pod1/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup "
      "rw,cpu,cpuacct\n");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "20000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 0.2);
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(cgroup_cpus(root_), std::nullopt);
}

TEST_F(CgroupFiles, OfVersion1OnTheHost) {
  write("/proc/self/cgroup", "0::/x\n4:cpu,cpuacct:/system.slice/p.service\n");
  write("/proc/self/mountinfo",
        "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  write("/sys/fs/cgroup/cpu,cpuacct/system.slice/cpu.cfs_quota_us", "200000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/system.slice/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpus(root_), 2.0);
}

TEST_F(CgroupFiles, WithoutAnyThereIsNoQuota) {
  EXPECT_EQ(cgroup_cpus(root_), std::nullopt);
  write("/proc/self/cgroup", "rubbish\n0:\n::\n");
  write("/proc/self/mountinfo", "rubbish\n - \n1 2 - cgroup2\n");
  EXPECT_EQ(cgroup_cpus(root_), std::nullopt);
}

TEST(CpuLimit, AffinityCounts) {
  size_t pinned = 0;
  std::thread([&pinned] {
    cpu_set_t all, one;
    ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (!CPU_ISSET(i, &all)) continue;
      CPU_SET(i, &one);
      break;
    }
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    pinned = usable_cpus();
  }).join();
  EXPECT_EQ(pinned, 1u);
  EXPECT_GE(usable_cpus(), 1u);
}

}  // namespace
}  // namespace penstock::daemon
