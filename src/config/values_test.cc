#include "config/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Sizes, AreReadInEveryUsualSpelling) {
  const std::pair<const char*, uint64_t> cases[] = {
      {"0", 0},
      {"1048576", 1 << 20},
      {"512B", 512},
      {"64MiB", 64ull << 20},
      {"8m", 8ull << 20},
      {"1g", 1ull << 30},
      {"64 KiB", 64ull << 10},
      {"16kB", 16ull << 10},
      {"2TiB", 2ull << 40},
      {"1.5GiB", 3ull << 29},
      {"8M", 8ull << 20},
  };
  for (const auto& [text, bytes] : cases) {
    EXPECT_EQ(parse_size(text).value_or(1), bytes) << text;
  }
}

TEST(Sizes, ThatAreNoneSayWhatIsExpected) {
  for (const char* text : {"", "-1", "many", "64MB/s", "1e3", "1..5m", "MiB", "99999TiB"}) {
    EXPECT_FALSE(parse_size(text).has_value()) << text;
  }
  EXPECT_THAT(parse_size("many").error(), HasSubstr("64MiB"));
}

TEST(Sizes, AreShownInTheLargestUnitThatIsExact) {
  EXPECT_EQ(show_size(64ull << 20), "64MiB");
  EXPECT_EQ(show_size(1536ull << 20), "1536MiB");
  EXPECT_EQ(show_size(1000), "1000B");
  EXPECT_EQ(show_size(0), "0B");
}

TEST(Durations, BareNumbersAreSeconds) {
  EXPECT_EQ(parse_duration("5"), milliseconds(5000));
  EXPECT_EQ(parse_duration("0.5"), milliseconds(500));
  EXPECT_EQ(parse_duration("500ms"), milliseconds(500));
  EXPECT_EQ(parse_duration("5s"), milliseconds(5000));
  EXPECT_EQ(parse_duration("10m"), milliseconds(600'000));
  EXPECT_EQ(parse_duration("1h"), milliseconds(3'600'000));
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));
}

TEST(Durations, ThatAreNoneAreRefused) {
  for (const char* text : {"", "soon", "-5s", "5 weeks", "99999d", "0.0001s"}) {
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
  }
}

TEST(Durations, AreShownAsPeopleWriteThem) {
  EXPECT_EQ(show_duration(milliseconds(25'000)), "25s");
  EXPECT_EQ(show_duration(milliseconds(80'000)), "80s");
  EXPECT_EQ(show_duration(milliseconds(3'600'000)), "1h");
  EXPECT_EQ(show_duration(milliseconds(1500)), "1500ms");
}

TEST(FieldPaths, QuotedPartsKeepTheirDots) {
  EXPECT_THAT(*parse_field_path("kubernetes.namespace_name"),
              ElementsAre("kubernetes", "namespace_name"));
  EXPECT_THAT(*parse_field_path(R"(kubernetes.labels."app.kubernetes.io/name")"),
              ElementsAre("kubernetes", "labels", "app.kubernetes.io/name"));
  EXPECT_EQ(show_field_path({"a", "b.c"}), R"(a."b.c")");
  for (const char* text : {"", ".", "a.", ".a", "a..b", R"("a)", R"("a"b)", R"("")"}) {
    EXPECT_FALSE(parse_field_path(text).has_value()) << text;
  }
}

TEST(TagPatterns, ThatFluentdTakesRaiseNoComplaint) {
  for (const char* text : {"**", "a.b", "app.**", "{a,b}.*", "a.{b,c.**}", "a b.* c", "a.b{c,d}e",
                           "kubernetes.var.log.**", "*.*", "a.{b,{c,d}}"}) {
    EXPECT_EQ(complaint_about_tag_pattern(text), "") << text;
  }
}

TEST(TagPatterns, ThatMeanNothingAreComplainedAbout) {
  for (const char* text : {"", "  ", "{a,b", "a}", "{a,}", "{,a}", "{}", "a..b", ".a", "a.", "a. b",
                           "***", "/re/", "#{x}", "{a b}"}) {
    EXPECT_NE(complaint_about_tag_pattern(text), "") << text;
  }
}

TEST(Variables, AreExpandedWithDefaults) {
  const Environment environment{{"REGION", "eu-west-1"}, {"EMPTY", ""}};
  EXPECT_EQ(expand_variables("x-${REGION}-y", environment), "x-eu-west-1-y");
  EXPECT_EQ(expand_variables("${NONE:-us-east-1}", environment), "us-east-1");
  EXPECT_EQ(expand_variables("${EMPTY:-us-east-1}", environment), "us-east-1");
  EXPECT_EQ(expand_variables("${EMPTY}", environment), "");
  EXPECT_EQ(expand_variables("${NONE:-}", environment), "");
  EXPECT_EQ(expand_variables("$${REGION}", environment), "${REGION}");
  EXPECT_EQ(expand_variables("$HOME costs $5", environment), "$HOME costs $5");
}

TEST(Variables, DefaultsMayHaveVariablesOfTheirOwnAsInAShell) {
  const Environment environment{{"B", "b"}, {"EMPTY", ""}};
  EXPECT_EQ(expand_variables("${A:-${B:-c}}", environment), "b");
  EXPECT_EQ(expand_variables("${A:-${EMPTY:-/tmp/spool}}", environment), "/tmp/spool");
  EXPECT_EQ(expand_variables("x${A:-${C:-${B}}}y${B}", environment), "xbyb");
  EXPECT_EQ(expand_variables("${A:-a${B}c${B}}", environment), "abcb");
  EXPECT_EQ(expand_variables("${B:-${NONE}}", environment), "b");  // the default is not looked at
  EXPECT_EQ(expand_variables("${A:-}}", environment), "}");
  EXPECT_THAT(expand_variables("${A:-${C}}", environment).error(), HasSubstr("C is not set"));
  for (const char* text :
       {"${A:-${B}", "${A:-${B:-c}", "${", "${A-b}", "${A:b}", "${A:+b}", "${1A}", "${A:-${}}"}) {
    EXPECT_FALSE(expand_variables(text, environment)) << text;
  }
}

// What a variable holds is not read a second time: it may be a secret with a dollar in it.
TEST(Variables, ValuesAreNotExpandedThemselves) {
  const Environment environment{{"A", "${B}"}, {"B", "b"}};
  EXPECT_EQ(expand_variables("${A}", environment), "${B}");
  EXPECT_EQ(expand_variables("${NONE:-${A}}", environment), "${B}");
}

TEST(Variables, ThatAreNotSetAreNamed) {
  const auto missing = expand_variables("${NONE}", Environment());
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error(), HasSubstr("NONE is not set"));
  EXPECT_FALSE(expand_variables("${NONE", Environment()).has_value());
  EXPECT_FALSE(expand_variables("${}", Environment()).has_value());
  EXPECT_FALSE(expand_variables("${a b}", Environment()).has_value());
}

TEST(Nearest, FindsTheKeyThatWasMeant) {
  const std::vector<std::string_view> keys = {"aggregation", "region", "endpoint", "max_record"};
  EXPECT_EQ(nearest("agregation", keys), "aggregation");
  EXPECT_EQ(nearest("Region", keys), "region");
  EXPECT_EQ(nearest("max-record", keys), "max_record");
  EXPECT_EQ(nearest("colour", keys), "");
}

TEST(PlainNames, AreLabelsAndFolders) {
  EXPECT_TRUE(is_plain_name("my-stream_1.a"));
  EXPECT_FALSE(is_plain_name(""));
  EXPECT_FALSE(is_plain_name(".."));
  EXPECT_FALSE(is_plain_name("a/b"));
  EXPECT_FALSE(is_plain_name(std::string(129, 'a')));
}

TEST(HideVariables, YamlSeesNoBraceOfAVariableAndTheScalarGetsItBack) {
  const std::string hidden = hide_variables("{name: ${A}-${B:-x}, $${C}: 1} # ${D\nkey: ${E}\n");
  EXPECT_EQ(hidden.find("${A}"), std::string::npos);
  EXPECT_EQ(hidden.find("${E}"), std::string::npos);
  EXPECT_EQ(std::count(hidden.begin(), hidden.end(), '{'), 2) << hidden;  // the map's, and D's
  EXPECT_EQ(show_variables(hidden), "{name: ${A}-${B:-x}, $${C}: 1} # ${D\nkey: ${E}\n");
  const std::string nested = hide_variables("{d: ${A:-${B:-/tmp}}, e: ${F}}");
  EXPECT_EQ(std::count(nested.begin(), nested.end(), '{'), 1) << nested;
  EXPECT_EQ(std::count(nested.begin(), nested.end(), '}'), 1) << nested;
  EXPECT_EQ(show_variables(nested), "{d: ${A:-${B:-/tmp}}, e: ${F}}");
}

}  // namespace
}  // namespace penstock::config
