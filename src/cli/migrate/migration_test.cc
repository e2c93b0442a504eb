#include "cli/migrate/migration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/test_data.h"

namespace penstock::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Migration migrated(std::string_view text) {
  auto root = parse_fluent_config(text, "fluent.conf");
  EXPECT_TRUE(root) << (root ? "" : root.error().message);
  return migrate(*root, {});
}

Migration migrated_file(const std::string& name) {
  auto root = read_fluent_config(test_data() + "/migration/" + name);
  EXPECT_TRUE(root) << (root ? "" : root.error().message);
  return migrate(*root, {});
}

// The verdict and text on the first finding whose setting contains `setting`.
std::string said(const Migration& migration, std::string_view setting) {
  constexpr const char* kNames[] = {"exact: ", "safer: ", "step: ", "impossible: "};
  for (const Finding& finding : migration.findings) {
    if (finding.setting.find(setting) == std::string::npos) continue;
    return kNames[static_cast<size_t>(finding.verdict)] + finding.text;
  }
  return "(nothing)";
}

std::string output_with(std::string_view parameters) {
  return "<match **>\n@type kinesis_streams\nstream_name s\n" + std::string(parameters) +
         "\n</match>\n";
}

TEST(Migrate, EachSettingOfThePredecessorIsAccountedFor) {
  const Migration migration = migrated_file("predecessor.conf");
  EXPECT_FALSE(migration.complete());
  EXPECT_THAT(said(migration, ": ciphers"), HasSubstr("exact"));
  EXPECT_THAT(said(migration, ": add_tag_prefix"), HasSubstr("impossible"));
  EXPECT_THAT(said(migration, ": network"), HasSubstr("NetworkPolicy"));
  EXPECT_THAT(said(migration, "fixed_partition_key"), HasSubstr("safer"));
  EXPECT_THAT(said(migration, ": compression"), HasSubstr("impossible"));
  EXPECT_THAT(said(migration, "drop_failed_records"), HasSubstr("safer"));
  EXPECT_THAT(said(migration, "http_proxy"), HasSubstr("step"));
  EXPECT_THAT(said(migration, "<secondary"), HasSubstr("safer"));
  for (const Finding& finding : migration.findings) {
    EXPECT_THAT(finding.text, Not(HasSubstr("no counterpart"))) << finding.setting;
  }
}

TEST(Migrate, ThePredecessorsStreamsKeepWhatTheirConsumersRead) {
  const std::string yaml = migrated_file("predecessor.conf").yaml;
  EXPECT_THAT(yaml, HasSubstr("aggregation: kpl"));
  EXPECT_THAT(yaml, HasSubstr("data_key: message"));
  EXPECT_THAT(yaml, HasSubstr("partition_key: \"field:hostname\""));
  EXPECT_THAT(yaml, HasSubstr("time_format: unix"));
  EXPECT_THAT(yaml, HasSubstr("cluster: prod-1"));
  EXPECT_THAT(yaml, HasSubstr("role_arn: \"arn:aws:iam::444455556666:role/logs-audit\""));
}

TEST(Migrate, NoSecretIsPrinted) {
  const Migration migration = migrated(
      "<source>\n@type forward\n<security>\nshared_key hush1\nuser_auth true\n<user>\nusername u\n"
      "password hush2\n</user>\n<client>\nhost h\nshared_key "
      "hush3\n</client>\n</security>\n</source>\n" +
      output_with("aws_key_id hush4\naws_sec_key hush5"));
  std::string all = migration.yaml;
  for (const Finding& finding : migration.findings) all += finding.setting + finding.text;
  EXPECT_THAT(all, Not(HasSubstr("hush")));
}

TEST(Migrate, ASettingThatNobodyKnowsIsImpossibleNotDropped) {
  const Migration migration = migrated(output_with("surprise 1\n<strange>\nx 1\n</strange>"));
  EXPECT_THAT(said(migration, ": surprise"), HasSubstr("impossible"));
  EXPECT_THAT(said(migration, "<strange"), HasSubstr("impossible"));
}

TEST(Migrate, ARecordEndsInALineFeedAsThePluginWroteIt) {
  EXPECT_THAT(migrated(output_with("")).yaml, HasSubstr("newline: true"));
  EXPECT_THAT(migrated(output_with("chomp_record true")).yaml, Not(HasSubstr("newline: true")));
  EXPECT_THAT(migrated(output_with("data_key message")).yaml, Not(HasSubstr("newline: true")));
  const std::string firehose = "<match **>\n@type kinesis_firehose\ndelivery_stream_name d\n";
  EXPECT_THAT(migrated(firehose + "</match>\n").yaml, Not(HasSubstr("newline")));
  EXPECT_THAT(said(migrated(firehose + "append_new_line true\n</match>\n"), "append_new_line"),
              HasSubstr("exact"));
  const Migration bare =
      migrated(firehose + "append_new_line false\nchomp_record true\n</match>\n");
  EXPECT_THAT(said(bare, "append_new_line"), HasSubstr("impossible"));
}

TEST(Migrate, DataKeySendsOneFieldSoNothingIsAddedToIt) {
  const Migration migration = migrated(
      "<filter **>\n@type record_transformer\n<record>\ncluster a\n</record>\n</filter>\n" +
      output_with("data_key m\n<inject>\ntime_key t\n</inject>"));
  EXPECT_THAT(migration.yaml, HasSubstr("data_key: m"));
  EXPECT_THAT(migration.yaml, Not(HasSubstr("inject")));
  EXPECT_TRUE(migration.complete());
}

TEST(Migrate, TimesAreWrittenAsThePluginWroteThemOrTheDifferenceIsNamed) {
  const auto with_time = [](const std::string& rest) {
    return migrated(output_with("<inject>\ntime_key t\n" + rest + "\n</inject>"));
  };
  EXPECT_THAT(with_time("time_type unixtime").yaml, HasSubstr("time_format: unix\n"));
  EXPECT_THAT(with_time("time_type unixtime_millis").yaml, HasSubstr("time_format: unix_ms"));
  EXPECT_THAT(with_time("time_type string\ntime_format %Y\nutc").yaml,
              HasSubstr("time_format: \"%Y\""));
  EXPECT_THAT(with_time("time_type string\nutc true").yaml,
              HasSubstr("time_format: \"%Y-%m-%dT%H:%M:%SZ\""));
  EXPECT_THAT(said(with_time("time_type string"), ": time_type"), HasSubstr("local time"));
  EXPECT_THAT(said(with_time(""), ": time_type float"), HasSubstr("impossible"));
}

TEST(Migrate, FieldsOfAFilterAreAddedOnlyWhereItCoversAllEvents) {
  const std::string filter =
      "<filter app.**>\n@type record_transformer\n<record>\nk v\nt ${tag}\n</record>\n</filter>\n";
  const auto match = [](const std::string& pattern) {
    return "<match " + pattern + ">\n@type kinesis_streams\nstream_name s\n</match>\n";
  };
  EXPECT_THAT(migrated(filter + match("app.web.**")).yaml, HasSubstr("k: v"));
  EXPECT_THAT(said(migrated(filter + match("app.**")), ": t"), HasSubstr("impossible"));
  const Migration wider = migrated(filter + match("**"));
  EXPECT_THAT(wider.yaml, Not(HasSubstr("k: v")));
  EXPECT_THAT(said(wider, "filter app.**"), HasSubstr("impossible: its fields"));
  EXPECT_EQ(said(migrated(filter + match("sys.**")), "(kinesis_streams): filter"), "(nothing)");
  // What an earlier output takes whole does not reach a later one.
  EXPECT_EQ(said(migrated(filter + match("app.**") + match("**")), "filter app.**"), "(nothing)");
  // A filter behind the output does not see its events.
  EXPECT_THAT(migrated(match("app.**") + filter).yaml, Not(HasSubstr("k: v")));
}

TEST(Migrate, ARelabeledMatchGoesWhereItsLabelGoes) {
  const std::string yaml =
      migrated(
          "<source>\n@type forward\n</source>\n<match app.**>\n@type relabel\n@label "
          "@K\n</match>\n<label @K>\n" +
          output_with("") + "</label>\n")
          .yaml;
  EXPECT_THAT(yaml, HasSubstr("  - tag: \"app.**\"\n    stream: s\n"));
}

TEST(Migrate, LabelsThatLeadToEachOtherEnd) {
  const Migration migration = migrated(
      "<source>\n@type forward\n@label @A\n</source>\n"
      "<label @A>\n<match **>\n@type relabel\n@label @B\n</match>\n</label>\n"
      "<label @B>\n<match **>\n@type relabel\n@label @A\n</match>\n</label>\n");
  EXPECT_THAT(said(migration, ": @label"), HasSubstr("exact"));
  EXPECT_FALSE(migration.complete());
}

TEST(Migrate, ATagPatternThatRoutesDoNotHaveIsNamed) {
  const Migration migration =
      migrated("<match /^app/>\n@type kinesis_streams\nstream_name s\n</match>\n");
  EXPECT_THAT(said(migration, "<match /^app/>"), HasSubstr("regular expression"));
  EXPECT_THAT(migration.yaml, Not(HasSubstr("routes")));
}

TEST(Migrate, AStreamsNameWithAPlaceholderIsNamed) {
  const Migration migration =
      migrated("<match **>\n@type kinesis_streams\nstream_name logs-${tag}\n</match>\n");
  EXPECT_THAT(said(migration, ": stream_name"), HasSubstr("impossible"));
  EXPECT_THAT(migration.yaml, HasSubstr("name: logs-tag"));
}

TEST(Migrate, DroppingTheOldestHoldsForAllStreamsOrForNone) {
  const auto with = [](const char* first, const char* second) {
    const auto match = [](const char* tag, const char* action) {
      return std::string("<match ") + tag + ">\n@type kinesis_streams\nstream_name " + tag +
             "\n<buffer>\noverflow_action " + action + "\n</buffer>\n</match>\n";
    };
    return migrated(match("a", first) + match("b", second));
  };
  EXPECT_THAT(with("drop_oldest_chunk", "drop_oldest_chunk").yaml, HasSubstr("drop_oldest"));
  const Migration mixed = with("drop_oldest_chunk", "block");
  EXPECT_THAT(mixed.yaml, Not(HasSubstr("drop_oldest")));
  EXPECT_THAT(said(mixed, "streams.a: overflow_action"), HasSubstr("safer"));
}

TEST(Migrate, ALabelsMatchesTakeEventsOfItsSourcesOnly) {
  const std::string text =
      "<source>\n@type forward\n@label @A\n</source>\n<source>\n@type forward\nport 1\n</source>\n"
      "<label @A>\n" +
      output_with("") + "</label>\n" + output_with("");
  const std::string yaml = migrated(text).yaml;
  EXPECT_THAT(yaml, HasSubstr("  - source: forward-2\n    stream: s\n"));
  EXPECT_THAT(yaml, HasSubstr("  - source: forward\n    stream: s-2\n"));
}

TEST(Migrate, RoutesAreWrittenWithoutThePrefixThatTagsWillNotHave) {
  const std::string yaml =
      migrated(
          "<source>\n@type forward\nadd_tag_prefix ocp\n</source>\n<match ocp.app.** ocp.x>\n"
          "@type kinesis_streams\nstream_name s\n</match>\n")
          .yaml;
  EXPECT_THAT(yaml, HasSubstr("tag: \"app.** x\""));
}

TEST(Migrate, AnEventGoesToOneStreamOnly) {
  const Migration migration = migrated(
      "<match **>\n@type copy\n<store>\n@type kinesis_streams\nstream_name a\n</store>\n"
      "<store>\n@type kinesis_streams\nstream_name b\n</store>\n<store>\n@type "
      "s3\n</store>\n</match>\n");
  EXPECT_THAT(migration.yaml, HasSubstr("name: a"));
  EXPECT_THAT(migration.yaml, Not(HasSubstr("name: b")));
  EXPECT_EQ(std::count_if(migration.findings.begin(), migration.findings.end(),
                          [](const Finding& each) { return each.verdict == Verdict::impossible; }),
            2);
}

TEST(Migrate, WhatReadsFilesOrWritesElsewhereIsImpossible) {
  const Migration migration = migrated(
      "<source>\n@type tail\npath /x\n</source>\n<filter **>\n@type grep\n</filter>\n"
      "<match **>\n@type elasticsearch\nhost h\n</match>\n");
  EXPECT_THAT(said(migration, "<source (tail)>"), HasSubstr("impossible"));
  EXPECT_THAT(said(migration, "<filter ** (grep)>"), HasSubstr("impossible"));
  EXPECT_THAT(said(migration, "<match ** (elasticsearch)>"), HasSubstr("impossible"));
}

}  // namespace
}  // namespace penstock::cli
