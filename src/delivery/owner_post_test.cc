#include "delivery/owner_post.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace penstock::delivery {
namespace {

TEST(OwnerPost, WorkRunsWithItsArgumentsWhileTheOwnerIsThere) {
  std::vector<std::function<void()>> queue;
  OwnerPost post([&](std::function<void()> work) { queue.push_back(std::move(work)); });
  int sum = 0;
  const std::function<void(int)> add = post.posted([&](int n) { sum += n; });
  add(1);
  add(2);
  EXPECT_EQ(sum, 0) << "it is posted, not called";
  for (const auto& work : queue) work();
  EXPECT_EQ(sum, 3);
}

TEST(OwnerPost, WorkOfAnOwnerThatIsGoneIsDroppedWithAllThatItHolds) {
  std::vector<std::function<void()>> queue;
  auto post = std::make_unique<OwnerPost>(
      [&](std::function<void()> work) { queue.push_back(std::move(work)); });
  bool has_run = false;
  auto kept = std::make_shared<int>(1);
  const auto later = post->posted([&](const std::shared_ptr<int>&) { has_run = true; });
  const auto at_once = post->guarded([&](int) { has_run = true; });
  later(kept);
  post.reset();
  later(kept);
  at_once(1);
  for (const auto& work : queue) work();
  EXPECT_FALSE(has_run);
  queue.clear();
  EXPECT_EQ(kept.use_count(), 1);
}

}  // namespace
}  // namespace penstock::delivery
