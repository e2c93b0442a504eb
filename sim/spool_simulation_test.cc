// PENSTOCK_SIM_SEEDS: how many seeds (default 2000). PENSTOCK_SIM_FIRST: the first of them.
// PENSTOCK_SIM_TRACE: write down every step.
#include "spool_simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "seeds.h"

namespace penstock::sim {
namespace {

TEST(SpoolSimulation, NoSeedLosesInventsOrRepeatsAnything) {
  be_quiet();
  const uint64_t first = from_environment("PENSTOCK_SIM_FIRST", 1);
  const uint64_t seeds = from_environment("PENSTOCK_SIM_SEEDS", 2000);
  Tally tally;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const auto finding = run_spool_simulation(seed, Planted::nothing, tally);
    ASSERT_FALSE(finding.has_value())
        << "seed " << seed << ": " << *finding << "\nto repeat: PENSTOCK_SIM_FIRST=" << seed
        << " PENSTOCK_SIM_SEEDS=1 sim_test";
  }
  std::printf(
      "%llu seeds: %llu crashes, %llu chunks acknowledged, %llu events delivered, "
      "%llu sent again, %llu dropped, %llu dead letters replayed\n",
      static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(tally.crashes),
      static_cast<unsigned long long>(tally.acked),
      static_cast<unsigned long long>(tally.delivered),
      static_cast<unsigned long long>(tally.repeats),
      static_cast<unsigned long long>(tally.dropped),
      static_cast<unsigned long long>(tally.replayed));
  if (seeds >= 100) {  // otherwise it has tried nothing
    EXPECT_GT(tally.crashes, seeds);
    EXPECT_GT(tally.acked, seeds);
    EXPECT_GT(tally.delivered, seeds);
    EXPECT_GT(tally.repeats, seeds);
    EXPECT_GT(tally.dropped, 0u);
    EXPECT_GT(tally.replayed, 0u);
  }
}

// How many seeds it takes to find a fault that was put in on purpose; 0: more than 500.
uint64_t seeds_to_find(Planted planted, std::string& what) {
  be_quiet();
  Tally tally;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    if (const auto finding = run_spool_simulation(seed, planted, tally)) {
      what = *finding;
      return seed;
    }
  }
  return 0;
}

TEST(SpoolSimulation, FindsAnAckBeforeTheSync) {
  std::string what;
  const uint64_t seed = seeds_to_find(Planted::ack_before_sync, what);
  EXPECT_GT(seed, 0u);
  std::printf("found with seed %llu: %s\n", static_cast<unsigned long long>(seed), what.c_str());
}

TEST(SpoolSimulation, FindsACheckpointBeforeTheRelease) {
  std::string what;
  const uint64_t seed = seeds_to_find(Planted::checkpoint_before_release, what);
  EXPECT_GT(seed, 0u);
  std::printf("found with seed %llu: %s\n", static_cast<unsigned long long>(seed), what.c_str());
}

}  // namespace
}  // namespace penstock::sim
