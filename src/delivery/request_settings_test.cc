#include "delivery/request_settings.h"

#include <gtest/gtest.h>

namespace penstock::delivery {
namespace {

using namespace std::chrono_literals;
using kinesis_format::Protocol;

constexpr SteadyTime kStart{1h};

kinesis_format::Request request_in(Protocol protocol) {
  kinesis_format::RequestBuilder::Options options;
  options.protocol = protocol;
  kinesis_format::RequestBuilder builder(options);
  EXPECT_EQ(builder.add_record(as_bytes("x"), {"key", std::nullopt}, 0),
            kinesis_format::AddOutcome::added);
  return builder.take();
}

TEST(RequestSettings, ARecordIsAsLargeAsTheStreamTakesAndARequestCanBe) {
  RequestSettings::Options options;
  options.request.record_bytes_max = 1_MiB;
  options.request_bytes_max = 6_MiB;
  RequestSettings settings(options);
  EXPECT_EQ(settings.record_bytes_max(), 1_MiB);
  settings.limit_records(4_MiB);
  EXPECT_EQ(settings.record_bytes_max(), 4_MiB);
  EXPECT_EQ(settings.in_force(kStart).record_bytes_max, 4_MiB);
  settings.limit_records(10_MiB);
  EXPECT_EQ(settings.record_bytes_max(), 6_MiB) << "what memory allows";
  EXPECT_EQ(settings.in_force(kStart).request_bytes_max, 6_MiB);
}

TEST(RequestSettings, CborComesBackAfterAWhileAndLaterEachTime) {
  RequestSettings settings({});
  EXPECT_EQ(settings.in_force(kStart).protocol, Protocol::cbor);
  EXPECT_TRUE(settings.fall_back_to_json(request_in(Protocol::cbor), kStart));
  EXPECT_TRUE(settings.fall_back_to_json(request_in(Protocol::cbor), kStart + 1s))
      << "it was on its way";
  EXPECT_EQ(settings.in_force(kStart + 9min).protocol, Protocol::json);
  EXPECT_EQ(settings.in_force(kStart + 10min).protocol, Protocol::cbor);
  EXPECT_TRUE(settings.fall_back_to_json(request_in(Protocol::cbor), kStart + 10min));
  EXPECT_EQ(settings.in_force(kStart + 29min).protocol, Protocol::json);
  EXPECT_FALSE(settings.fall_back_to_json(request_in(Protocol::json), kStart + 29min));
}

}  // namespace
}  // namespace penstock::delivery
