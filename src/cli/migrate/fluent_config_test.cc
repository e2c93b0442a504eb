#include "cli/migrate/fluent_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace penstock::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

FluentSection parsed(std::string_view text) {
  auto root = parse_fluent_config(text, "fluent.conf");
  EXPECT_TRUE(root) << (root ? "" : root.error().message);
  return root ? std::move(*root) : FluentSection{};
}

std::string problem_of(std::string_view text) {
  const auto root = parse_fluent_config(text, "fluent.conf");
  EXPECT_FALSE(root);
  return root ? "" : root.error().message;
}

std::string value_of(FluentSection& section, std::string_view key) {
  const FluentParameter* found = section.find(key);
  return found == nullptr ? "(not set)" : found->value;
}

TEST(FluentConfig, SectionsNestAndKeepTheirArgumentAndPlace) {
  FluentSection root =
      parsed("<match a.** b>\n  @type copy\n  <store>\n    x 1\n  </store>\n</match>");
  FluentSection* match = root.find_section("match");
  ASSERT_NE(match, nullptr);
  EXPECT_EQ(match->argument, "a.** b");
  EXPECT_EQ(match->place.line, 1u);
  EXPECT_EQ(match->type(), "copy");
  ASSERT_NE(match->find_section("store"), nullptr);
  EXPECT_EQ(match->find_section("store")->find("x")->place.line, 4u);
}

TEST(FluentConfig, CommentsEndALineOutsideOfQuotesOnly) {
  FluentSection root = parsed("# all\na 1 # one\nb \"x # y\"\nc x#y\nd '#z' # w\n");
  EXPECT_EQ(value_of(root, "a"), "1");
  EXPECT_EQ(value_of(root, "b"), "x # y");
  EXPECT_EQ(value_of(root, "c"), "x#y");
  EXPECT_EQ(value_of(root, "d"), "#z");
}

TEST(FluentConfig, DoubleQuotesHaveEscapesAndSingleQuotesHaveNone) {
  FluentSection root = parsed("a \"x\\ty\\\"\"\nb 'x\\ty'\nc 'it\\'s'\n");
  EXPECT_EQ(value_of(root, "a"), "x\ty\"");
  EXPECT_EQ(value_of(root, "b"), "x\\ty");
  EXPECT_EQ(value_of(root, "c"), "it's");
}

TEST(FluentConfig, JsonValuesMaySpanLines) {
  FluentSection root = parsed("a [\"x\",\n  \"y]\"\n]\nb 1\n");
  EXPECT_EQ(value_of(root, "a"), "[\"x\",\"y]\"]");
  EXPECT_EQ(value_of(root, "b"), "1");
  EXPECT_THAT(problem_of("a {\"x\": 1"), HasSubstr("fluent.conf:1: the value has no end"));
}

TEST(FluentConfig, TheLastOfEqualParametersCounts) {
  FluentSection root = parsed("a 1\na 2\n");
  EXPECT_EQ(value_of(root, "a"), "2");
}

TEST(FluentConfig, WhatIsNotClosedOrNotOpenedIsNamedWithItsLine) {
  EXPECT_THAT(problem_of("\n<match a>\n"), HasSubstr("fluent.conf:2: <match> is not closed"));
  EXPECT_THAT(problem_of("</match>\n"), HasSubstr("fluent.conf:1: </match> closes nothing"));
  EXPECT_THAT(problem_of("<a>\n<b>\n</a>\n</b>\n"),
              HasSubstr("fluent.conf:3: </a> closes nothing"));
  EXPECT_THAT(problem_of("<match a\n"), HasSubstr("must end with '>'"));
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>\n";
  EXPECT_THAT(problem_of(deep), HasSubstr("nested too deep"));
}

TEST(FluentConfig, IncludedFilesAreReadInPlace) {
  std::string made = (std::filesystem::temp_directory_path() / "fluent-XXXXXX").string();
  ASSERT_NE(::mkdtemp(made.data()), nullptr);
  const std::filesystem::path folder = made;
  std::filesystem::create_directories(folder / "d");
  std::ofstream(folder / "main.conf") << "a 1\n@include d/*.conf\n@include none/*.conf\n";
  std::ofstream(folder / "d/x.conf") << "<match x>\n</match>\n";
  std::ofstream(folder / "loop.conf") << "@include loop.conf\n";
  std::ofstream(folder / "lost.conf") << "@include nothing.conf\n";

  auto root = read_fluent_config(folder / "main.conf");
  ASSERT_TRUE(root) << root.error().message;
  ASSERT_NE(root->find_section("match"), nullptr);
  EXPECT_THAT(root->find_section("match")->place.file, HasSubstr("d/x.conf"));

  EXPECT_THAT(read_fluent_config(folder / "loop.conf").error().message,
              HasSubstr("include each other without end"));
  EXPECT_THAT(read_fluent_config(folder / "lost.conf").error().message, HasSubstr("no such file"));
  EXPECT_THAT(read_fluent_config(folder / "nothing").error().message, HasSubstr("cannot read"));
  std::filesystem::remove_all(folder);
}

TEST(RubyFree, EnvironmentVariablesTakePenstocksForm) {
  EXPECT_THAT(ruby_free("#{ENV['A']}"), Optional(std::string("${A}")));
  EXPECT_THAT(ruby_free("x-#{ENV[\"A\"]}-y"), Optional(std::string("x-${A}-y")));
  EXPECT_THAT(ruby_free("#{ENV.fetch('A', 'b')}"), Optional(std::string("${A:-b}")));
  EXPECT_THAT(ruby_free("#{hostname}"), Optional(std::string("${HOSTNAME}")));
  EXPECT_THAT(ruby_free("#{ENV['A'] || 'b'}"), Optional(std::string("${A:-b}")));
  EXPECT_THAT(ruby_free("plain"), Optional(std::string("plain")));
  EXPECT_THAT(ruby_free("x.${tag}"), Optional(std::string("x.$${tag}")));
  EXPECT_EQ(ruby_free("#{ENV['A'] || ENV['B']}"), std::nullopt);
  EXPECT_EQ(ruby_free("#{`id`}"), std::nullopt);
  EXPECT_EQ(ruby_free("#{ENV['A'].upcase}"), std::nullopt);
  EXPECT_EQ(ruby_free("#{ENV['A'"), std::nullopt);
}

}  // namespace
}  // namespace penstock::cli
