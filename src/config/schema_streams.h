// The options of `streams.KEY`. Only schema.cc includes it.
#pragma once

#include "config/option.h"
#include "config/schema_codecs.h"

namespace penstock::config {

template <>
struct Section<InjectOptions> {
  using T = InjectOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::time>({"time", "Field that gets the event's time, such as `@time`."}),
        option<T, &T::tag>({"tag", "Field that gets its tag, such as `@tag`."}),
        option<T, &T::id>({"id",
                           "Field that gets an id, such as `@id`: the same over retries and "
                           "re-sends."}),
        option<T, &T::time_format, TimeFormatCodec>(
            {"time_format",
             "How `time` is written, in UTC: a text, a number of seconds or of milliseconds, or "
             "by the directives of strftime (`%L`, `%N`: parts of the second)."}),
        option<T, &T::fields, FixedFieldsCodec>(
            {"fields", "Fixed fields; a record that has the name already keeps its own."}),
    };
    return all;
  }
};

template <>
struct Section<FlushOptions> {
  using T = FlushOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::interval>(
            {"interval",
             "How long a partly filled request waits while another one of the stream "
             "is in flight; with kpl or lines: how long an aggregate fills."}),
        option<T, &T::size>({"size", "A request is sent when it is this large."}),
    };
    return all;
  }
};

template <>
struct Section<AssumeRoleOptions> {
  using T = AssumeRoleOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::role_arn>({"role_arn", "Role to take on."}),
        option<T, &T::external_id>({"external_id", "Asked for by roles of other accounts."}),
        option<T, &T::session_name>(
            {"session_name", "Name of the session in CloudTrail.", false, "penstock"}),
    };
    return all;
  }
};

template <>
struct Section<StreamAwsOptions> {
  using T = StreamAwsOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::profile, OwnProfileCodec>(
            {"profile", "Profile of the shared AWS files.", false, "aws.profile"}),
        option<T, &T::assume_role, OwnRolesCodec>(
            {"assume_role", "Roles to take on for this stream; `[]` for none.", false,
             "aws.assume_role"}),
    };
    return all;
  }
};

template <>
struct Section<StreamOptions> {
  using T = StreamOptions;
  static std::span<const Option<T>> options() {
    static constexpr auto kWhole = [](auto& stream) -> auto& { return stream; };
    static const Option<T> all[] = {
        option<T, &T::name, StreamNameCodec>({"name", "Name of the Kinesis data stream."}),
        option<T, &T::arn>({"arn", "Its ARN, instead of name and region."}),
        option<T, kWhole, FirehoseCodec>(
            {"firehose", "Name of a Firehose delivery stream, instead of a Kinesis stream."}),
        option<T, &T::region>({"region", "AWS region.", false, "AWS_REGION"}),
        option<T, &T::endpoint>({"endpoint", "URL to use instead of the region's endpoint."}),
        option<T, &T::endpoint_mode>(
            {"endpoint_mode", "Which of AWS's endpoints: the region's, or the account's own."}),
        option<T, &T::aggregation>(
            {"aggregation", "Several events in one record: the KPL's format, or lines of JSON."}),
        option<T, &T::compression>(
            {"compression", "Of each sub-record with kpl, else of the whole record."}),
        option<T, &T::partition_key, PartitionKeyCodec>(
            {"partition_key", "What spreads records over the shards."}),
        option<T, &T::order>(
            {"order", "`per_key`: records of one partition key arrive in the order received."}),
        option<T, &T::data_key, FieldPathCodec>(
            {"data_key",
             "Send the text of this field alone; a record without one is dead-lettered."}),
        option<T, &T::newline>({"newline", "A line feed behind each record."}),
        option<T, &T::oversized, OversizedCodec>({"oversized",
                                                  "What to do with a record over max_record.",
                                                  false, "`split`; with data_key `dead_letter`"}),
        option<T, &T::max_record>(
            {"max_record", "Largest record; lowered or raised to what the stream says."}),
        option<T, &T::flush>({"flush", "When a request is sent that could take more."}),
        option<T, &T::inject>({"inject", "Fields added to each record."}),
        option<T, &T::protocol>({"protocol", "How requests are written."}),
        option<T, &T::max_size>(
            {"max_size", "Its share of spool.max_size.", false, "an equal share"}),
        option<T, &T::aws>({"aws", "Whose credentials sign, for this stream alone."}),
    };
    return all;
  }
};

}  // namespace penstock::config
