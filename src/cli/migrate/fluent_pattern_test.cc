#include "cli/migrate/fluent_pattern.h"

#include <gtest/gtest.h>

namespace penstock::cli {
namespace {

TEST(FluentPattern, CoversWhatItSurelyMatches) {
  EXPECT_TRUE(pattern_covers("**", "a.b"));
  EXPECT_TRUE(pattern_covers("a.**", "a.**"));
  EXPECT_TRUE(pattern_covers("a.**", "a"));
  EXPECT_TRUE(pattern_covers("a.**", "a.b.* a.c"));
  EXPECT_TRUE(pattern_covers("a.** b.**", "b.x"));
  EXPECT_FALSE(pattern_covers("a.**", "ab.c"));
  EXPECT_FALSE(pattern_covers("a.**", "**"));
  EXPECT_FALSE(pattern_covers("a.**", "a.b c"));
  EXPECT_FALSE(pattern_covers("a.*", "a.b"));
}

TEST(FluentPattern, AreApartWhenTheirFirstPartsDiffer) {
  EXPECT_TRUE(patterns_are_apart("a.**", "b.**"));
  EXPECT_TRUE(patterns_are_apart("a.** b", "c.x d.*"));
  EXPECT_FALSE(patterns_are_apart("a.**", "a.b"));
  EXPECT_FALSE(patterns_are_apart("a.**", "**"));
  EXPECT_FALSE(patterns_are_apart("{a,b}.c", "d"));
  EXPECT_FALSE(patterns_are_apart("a b.**", "c b.x"));
}

TEST(FluentPattern, KnowsRegularExpressions) {
  EXPECT_TRUE(has_regular_expression("a.** /^b/"));
  EXPECT_FALSE(has_regular_expression("a.** b"));
}

}  // namespace
}  // namespace penstock::cli
