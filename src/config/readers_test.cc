// Which form of record each reader takes, and how a configuration is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/loader.h"

namespace penstock::config {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string told_of(const std::string& stream) {
  const LoadResult result =
      load_text("sources: [forward]\nroutes: [{stream: a}]\nstreams:\n  a: {" + stream + "}\n",
                "t.yaml", Environment{{"AWS_REGION", "eu-central-1"}});
  std::string all;
  for (const Problem& problem : result ? result->warnings : result.error()) {
    all += (problem.severity == Severity::error ? "E " : "W ") + to_string(problem) + "\n";
  }
  return all;
}

struct Case {
  const char* name;
  std::string stream;
  std::vector<const char*> expected;
};

class Misfits : public testing::TestWithParam<Case> {};

TEST_P(Misfits, AreToldWithWhatToUse) {
  const std::string all = told_of(GetParam().stream);
  for (const char* part : GetParam().expected) EXPECT_THAT(all, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    Readers, Misfits,
    testing::Values(
        Case{"ChannelJsonLines",
             "name: s, aggregation: lines, readers: [channel_json]",
             {"E t.yaml:4: streams.a.aggregation: lines does not fit the reader channel_json",
              "BYTE_ARRAY"}},
        Case{"ChannelJsonGzip",
             "name: s, compression: gzip, readers: [channel_json]",
             {"streams.a.compression: gzip does not fit", "use compression: none"}},
        Case{"ChannelStringKpl",
             "name: s, aggregation: kpl, readers: [channel_string]",
             {"kpl does not fit the reader channel_string"}},
        Case{"FirehoseZstd",
             "name: s, aggregation: kpl, compression: zstd, readers: [firehose]",
             {"zstd does not fit the reader firehose"}},
        Case{"LambdaKpl",
             "name: s, aggregation: kpl, readers: [kcl, lambda]",
             {"kpl does not fit the reader lambda", "reader own"}},
        Case{"FlinkLines",
             "name: s, aggregation: lines, readers: [flink]",
             {"lines does not fit the reader flink"}},
        Case{"ChannelJsonText",
             "name: s, data_key: log, readers: [channel_json]",
             {"E t.yaml:4: streams.a.data_key: a text does not fit the reader channel_json",
              "remove data_key, or use a channel of format STRING"}},
        Case{"FlinkText",
             "name: s, data_key: log, readers: [flink]",
             {"streams.a.data_key: a text does not fit the reader flink"}},
        Case{"NothingSeparatesInChannels",
             "name: s, readers: [channel_string]",
             {"W t.yaml:4: streams.a.readers: nothing separates the records", "newline: true"}},
        Case{"TwoChannels",
             "name: s, readers: [channel_json, channel_bytes]",
             {"at most one channel"}},
        Case{"ReaderTwice", "name: s, readers: [kcl, kcl]", {"kcl is given twice"}},
        Case{"KclOfFirehose",
             "firehose: s, readers: [kcl]",
             {"cannot read a Firehose delivery stream"}},
        Case{"UnknownReader",
             "name: s, readers: [kafka]",
             {"use one of: channel_json, channel_string"}}),
    [](const auto& test) { return test.param.name; });

TEST(Readers, ThatUnderstandTheRecordsAreNoFinding) {
  for (const char* options : {
           "newline: true, readers: [channel_json, firehose, kcl, lambda, flink, own]",
           "data_key: log, newline: true, readers: [channel_string, firehose, kcl, lambda, own]",
           "aggregation: kpl, readers: [firehose, kcl, flink, own, channel_bytes]",
           "aggregation: kpl, compression: gzip, readers: [kcl, own, channel_bytes]",
           "aggregation: lines, newline: true, readers: [channel_string, firehose, lambda, own]",
           "aggregation: lines, compression: zstd, readers: [channel_bytes, kcl, lambda, own]",
       }) {
    EXPECT_THAT(told_of("name: s, " + std::string(options)), Not(HasSubstr("reader"))) << options;
  }
  EXPECT_THAT(told_of("firehose: s, readers: [firehose]"), Not(HasSubstr("reader")));
}

}  // namespace
}  // namespace penstock::config
