// An output of fluent-plugin-kinesis (kinesis_streams, kinesis_streams_aggregated,
// kinesis_firehose; its README, versions 2 and 3) as a stream of penstock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/migrate/account.h"
#include "cli/migrate/yaml_text.h"

namespace penstock::cli {

struct MigratedStream {
  std::string name;  // of the stream: the key in `streams` is made from it
  YamlMap options;
  std::string total_limit_size;  // as Fluentd has it; empty: not set
  bool drops_oldest = false;
  FluentPlace overflow_place;  // of overflow_action
};

[[nodiscard]] bool is_kinesis_type(std::string_view type);

// `fields`: what filters in front of the output add to each record, for inject.fields.
[[nodiscard]] MigratedStream migrate_stream(FluentSection& output, Account& account,
                                            const YamlMap& fields);

}  // namespace penstock::cli
