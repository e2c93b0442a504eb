// PENSTOCK_SIM_SEEDS: how many seeds (default 300). PENSTOCK_SIM_FIRST: the first of them.
#include "delivery_simulation.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "seeds.h"

namespace penstock::sim {
namespace {

constexpr int kFaults = static_cast<int>(Fault::dead_letter_lost) + 1;
constexpr uint64_t kSeedsPerFault = 200;

// Seeds beyond those of each run that once found something, as long as the draws stay as they are.
TEST(DeliverySimulation, SeedsThatFoundSomethingHold) {
  be_quiet();
  DeliveryTally tally;
  for (const uint64_t seed : {1039, 2116, 2126, 3385, 4564}) {
    const auto finding = run_delivery_simulation(seed, Fault::none, tally);
    EXPECT_EQ(finding, std::nullopt) << "seed " << seed;
  }
}

TEST(DeliverySimulation, NoSeedLosesRepeatsOrDisordersAnythingAndAllIsGoneInTheEnd) {
  be_quiet();
  const uint64_t first = from_environment("PENSTOCK_SIM_FIRST", 1);
  const uint64_t seeds = from_environment("PENSTOCK_SIM_SEEDS", 300);
  DeliveryTally tally;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const auto finding = run_delivery_simulation(seed, Fault::none, tally);
    ASSERT_FALSE(finding.has_value())
        << "seed " << seed << ": " << *finding << "\nto repeat: PENSTOCK_SIM_FIRST=" << seed
        << " PENSTOCK_SIM_SEEDS=1 sim_test --gtest_filter=DeliverySimulation.No*";
  }
  std::printf(
      "%llu seeds: %llu events, %llu acknowledged, %llu copies accepted, %llu repeats, "
      "%llu crashes, %llu dead letters\n",
      static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(tally.events),
      static_cast<unsigned long long>(tally.acked), static_cast<unsigned long long>(tally.accepted),
      static_cast<unsigned long long>(tally.repeats),
      static_cast<unsigned long long>(tally.crashes),
      static_cast<unsigned long long>(tally.dead_letters));
  for (const auto& [branch, count] : tally.reached) {
    std::printf("  %s: %llu\n", branch.c_str(), static_cast<unsigned long long>(count));
  }
  if (seeds < 100) return;  // it has tried too little
  for (const char* branch : {"reload",
                             "reload of order",
                             "limit of a record changed",
                             "reshard",
                             "request in JSON",
                             "request: lost answer",
                             "request: lost request",
                             "request: SlowDown",
                             "request: ResourceNotFoundException",
                             "request: UnknownOperationException",
                             "request: InvalidArgumentException",
                             "dead letter: refused",
                             "a dead letter is handed back",
                             "misplaced aggregate",
                             "one more entry is allowed",
                             "large entry read",
                             "large overflow entry read",
                             "a large entry is given back",
                             "a large entry that was let go is read again",
                             "overflow entry appended",
                             "overflow entry read",
                             "recovered overflow log",
                             "an entry whose events are partly in an overflow log"}) {
    EXPECT_GT(tally.reached[branch], 0u) << branch;
  }
}

// 0: nothing was found.
uint64_t seed_that_finds(Fault fault) {
  for (uint64_t seed = 1; seed <= kSeedsPerFault; ++seed) {
    DeliveryTally tally;
    // In a process of its own: an invariant that is checked (CHECK) ends it, which is a finding.
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      std::freopen("/dev/null", "w", stderr);
      const auto finding = run_delivery_simulation(seed, fault, tally);
      if (finding)
        std::printf("%s, seed %3llu: %s\n", to_string(fault), static_cast<unsigned long long>(seed),
                    finding->c_str());
      std::fflush(nullptr);
      _exit(finding ? 1 : 0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    if (WIFSIGNALED(status)) {
      std::printf("%s, seed %3llu: a check failed\n", to_string(fault),
                  static_cast<unsigned long long>(seed));
    }
    return seed;
  }
  return 0;
}

TEST(DeliverySimulation, FindsEveryPlantedFault) {
  be_quiet();
  for (int i = 1; i < kFaults; ++i) {
    const auto fault = static_cast<Fault>(i);
    EXPECT_GT(seed_that_finds(fault), 0u) << to_string(fault) << " was not found";
  }
}

}  // namespace
}  // namespace penstock::sim
