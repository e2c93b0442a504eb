#include "route/tag_pattern.h"

#include <gtest/gtest.h>

namespace penstock::route {
namespace {

bool matches(std::string_view pattern, std::string_view tag) {
  const auto compiled = TagPattern::compile(pattern);
  EXPECT_TRUE(compiled.has_value()) << pattern;
  return compiled->matches(tag);
}

TEST(TagPattern, WithoutWildcardsOnlyTheTagItself) {
  EXPECT_TRUE(matches("a", "a"));
  EXPECT_TRUE(matches("a.b", "a.b"));
  EXPECT_FALSE(matches("a", "b"));
  EXPECT_FALSE(matches("a.b", "aab"));
  EXPECT_FALSE(matches("a.b", "a.b.c"));
  EXPECT_FALSE(matches("a", ""));
}

TEST(TagPattern, AStarStaysWithinOnePart) {
  EXPECT_TRUE(matches("a*", "a"));
  EXPECT_TRUE(matches("a*", "abc"));
  EXPECT_TRUE(matches("*a", "cba"));
  EXPECT_TRUE(matches("*a*", "bac"));
  EXPECT_FALSE(matches("a*", "a.b"));
  EXPECT_FALSE(matches("a*", "ab.c"));
  EXPECT_FALSE(matches("a*", "ba"));
  EXPECT_FALSE(matches("*a", "ab"));
  EXPECT_TRUE(matches("a.*", "a.b"));
  EXPECT_FALSE(matches("a.*", "ab"));
  EXPECT_FALSE(matches("a.*", "a"));
  EXPECT_TRUE(matches("a.*.c", "a.b.c"));
  EXPECT_FALSE(matches("a.*.c", "a.c"));
  EXPECT_TRUE(matches("*", ""));
}

TEST(TagPattern, TwoStarsAreAnyNumberOfParts) {
  EXPECT_TRUE(matches("a.**", "a"));
  EXPECT_TRUE(matches("a.**", "a.b"));
  EXPECT_TRUE(matches("a.**", "a.b.c"));
  EXPECT_FALSE(matches("a.**", "ab"));
  EXPECT_FALSE(matches("a.**", "ab.d.e"));
  EXPECT_TRUE(matches("**.a", "a"));
  EXPECT_TRUE(matches("**.a", "b.a"));
  EXPECT_TRUE(matches("**.a", "d.e.a"));
  EXPECT_FALSE(matches("**.a", "ba"));
  EXPECT_FALSE(matches("**.a", "c.ba"));
  EXPECT_TRUE(matches("a.**.c", "a.c"));
  EXPECT_TRUE(matches("a.**.c", "a.b.b.c"));
  EXPECT_FALSE(matches("a.**.c", "a.bc"));
  EXPECT_TRUE(matches("**", ""));
  EXPECT_TRUE(matches("**", "a.b"));
}

TEST(TagPattern, TwoStarsWithoutADotTakeAnything) {
  EXPECT_TRUE(matches("a**", "a"));
  EXPECT_TRUE(matches("a**", "ab.d.e"));
  EXPECT_TRUE(matches("**a", "c.ba"));
  EXPECT_TRUE(matches("**_default_**", "kubernetes.var.log.containers.a_default_b-0.log"));
  EXPECT_FALSE(matches("**_default_**", "kubernetes.var.log.containers.a_defaults_b-0.log"));
  EXPECT_TRUE(matches("**_kube-*_**", "kubernetes.var.log.containers.x_kube-system_y-0.log"));
}

TEST(TagPattern, BracesAreAlternativesAndNest) {
  EXPECT_TRUE(matches("a.{b,c}", "a.b"));
  EXPECT_TRUE(matches("a.{b,c}", "a.c"));
  EXPECT_FALSE(matches("a.{b,c}", "a.d"));
  EXPECT_TRUE(matches("a.{b,c}.d", "a.c.d"));
  EXPECT_TRUE(matches("{a,b.**}", "b"));
  EXPECT_TRUE(matches("{a,b.**}", "b.x"));
  EXPECT_TRUE(matches("a{b.,c}d", "ab.d"));
  EXPECT_TRUE(matches("{a,{b,c}x}", "cx"));
  EXPECT_FALSE(matches("{a,{b,c}x}", "c"));
  EXPECT_TRUE(matches("{a,}b", "b"));
  EXPECT_TRUE(matches("{a,b", "b")) << "fluentd closes what was left open";
  EXPECT_TRUE(matches("a}", "a}"));
}

TEST(TagPattern, SpacesSeparateSeveralPatterns) {
  EXPECT_TRUE(matches("a b", "a"));
  EXPECT_TRUE(matches(" a\t b.** ", "b.c"));
  EXPECT_FALSE(matches("a b", "a b"));
  EXPECT_TRUE(matches("x ** y", "anything.at.all"));
}

TEST(TagPattern, ABackslashTakesTheNextCharacterAsItIs) {
  EXPECT_TRUE(matches("a\\*", "a*"));
  EXPECT_FALSE(matches("a\\*", "ab"));
  EXPECT_TRUE(matches("\\{a", "{a"));
  EXPECT_TRUE(matches("a+[b]?", "a+[b]?")) << "nothing else is special";
}

TEST(TagPattern, ADotAtTheEndOfAPatternIsNotSeen) { EXPECT_TRUE(matches("a.", "a")); }

TEST(TagPattern, ManyWildcardsCostNoMoreThanTheTagIsLong) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "**a";
  EXPECT_FALSE(matches(pattern, std::string(5'000, 'a') + "b"));
}

TEST(TagPattern, RefusesWhatItCannotMean) {
  EXPECT_FALSE(TagPattern::compile("").has_value());
  EXPECT_FALSE(TagPattern::compile("  ").has_value());
  EXPECT_FALSE(TagPattern::compile("/^a/").has_value());
  EXPECT_FALSE(TagPattern::compile(std::string(5'000, 'a')).has_value());
}

}  // namespace
}  // namespace penstock::route
