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
        option<T, &T::time>({"time", "Field for the event's time, such as `@time`."}),
        option<T, &T::tag>({"tag", "Field for its tag, such as `@tag`."}),
        option<T, &T::id>({"id",
                           "Field for an id, such as `@id`, which stays the same over retries and "
                           "repeated sends."}),
        option<T, &T::time_format, TimeFormatCodec>(
            {"time_format",
             "Format of `time`, in UTC: RFC 3339, a number of seconds or milliseconds, or a text "
             "with the directives of strftime (`%L`, `%N`: parts of the second)."}),
        option<T, &T::fields, FixedFieldsCodec>(
            {"fields",
             "Fixed fields. A record that already has a field of the name keeps its own."}),
    };
    return all;
  }
};

template <>
struct Section<FlushOptions> {
  using T = FlushOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::interval>({"interval",
                                 "Maximum time to wait for a request (or, with aggregation, an "
                                 "aggregate) to fill before "
                                 "it is sent. Without aggregation an idle stream sends at once."}),
        option<T, &T::size>({"size", "Size at which a request is sent."}),
    };
    return all;
  }
};

template <>
struct Section<AssumeRoleOptions> {
  using T = AssumeRoleOptions;
  static std::span<const Option<T>> options() {
    static const Option<T> all[] = {
        option<T, &T::role_arn>({"role_arn", "ARN of the role."}),
        option<T, &T::external_id>({"external_id", "External id, if the role requires one."}),
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
            {"assume_role", "Chain of roles to assume for this stream; `[]` for none.", false,
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
            {"endpoint_mode", "AWS endpoint: the region's, or the account's own."}),
        option<T, &T::aggregation>(
            {"aggregation", "Several events in one record: the KPL's format, or lines of JSON."}),
        option<T, &T::compression>(
            {"compression",
             "Compression: of each sub-record with kpl, otherwise of the whole record."}),
        option<T, &T::partition_key, PartitionKeyCodec>(
            {"partition_key", "How the partition key is chosen."}),
        option<T, &T::order>(
            {"order", "`per_key`: records of one partition key arrive in the order received."}),
        option<T, &T::data_key, FieldPathCodec>(
            {"data_key",
             "Send only the text of this field. An event without it is dead-lettered."}),
        option<T, &T::newline>({"newline", "Append a line feed to each record."}),
        option<T, &T::oversized, OversizedCodec>({"oversized",
                                                  "What to do with a record over max_record.",
                                                  false, "`split`; with data_key `dead_letter`"}),
        option<T, &T::max_record>(
            {"max_record", "Largest record. Overridden by the limit the stream reports."}),
        option<T, &T::flush>({"flush", "When a partly filled request is sent."}),
        option<T, &T::inject>({"inject", "Fields added to each record."}),
        option<T, &T::protocol>({"protocol", "Encoding of requests."}),
        option<T, &T::readers, ReadersCodec>(
            {"readers",
             "Programs that read the stream. `check` rejects a form of record that one of these "
             "cannot read."}),
        option<T, &T::max_size>(
            {"max_size", "Its share of spool.max_size.", false, "an equal share"}),
        option<T, &T::aws>({"aws", "AWS identity of this stream alone."}),
    };
    return all;
  }
};

}  // namespace penstock::config
