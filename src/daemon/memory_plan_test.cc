#include "daemon/memory_plan.h"

#include <gtest/gtest.h>

namespace penstock::daemon {
namespace {

TEST(MemoryPlan, AllPotsTogetherStayUnderTheLimit) {
  for (const uint64_t limit : {64_MiB, 128_MiB, 256_MiB, 1_GiB, 16_GiB}) {
    const uint64_t message = std::min<uint64_t>((limit - 32_MiB) / 2, 64_MiB);
    const MemoryPlan plan = plan_memory({.memory_limit = limit, .message_bytes_max = message});
    EXPECT_LE(plan.large + plan.ordinary + plan.small + plan.delivery + 20_MiB, limit) << limit;
    EXPECT_GE(plan.large, 2 * message);
    EXPECT_LE(plan.spool_cache + plan.reserve, plan.ordinary) << "something is left for who sends";
  }
}

TEST(MemoryPlan, TheSmallestLimitAcceptedLeavesEveryPotSomething) {
  const MemoryPlan plan =
      plan_memory({.memory_limit = 2 * 64_MiB + 32_MiB, .message_bytes_max = 64_MiB});
  EXPECT_GE(plan.ordinary + plan.small, 4_MiB);
  EXPECT_GE(plan.delivery, 4_MiB);
}

}  // namespace
}  // namespace penstock::daemon
