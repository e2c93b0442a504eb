#include "admin/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/observation_rig.h"

namespace penstock::admin {
namespace {

using metrics::DeliveryTrouble;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class TheBanner : public testing::Test, protected ObservationRig {
 protected:
  // 1,240 events a second come in and as many go out.
  void flow(const std::string& stream, int times) {
    for (int i = 0; i < times; ++i) {
      receive(stream, 1240);
      ledger.deliver(stream, 1240);
      status.streams[0].delivery.last_success = clock.wall();
      pass();
    }
  }
  void fail(metrics::StreamStatus& stream, DeliveryTrouble trouble, const std::string& error,
            seconds ago) {
    stream.delivery.trouble = trouble;
    stream.delivery.error = error;
    stream.delivery.failures = 3;
    stream.delivery.failing_since = clock.wall() - ago;
  }
};

TEST_F(TheBanner, FlowingIsGoodAndHasRatesAndLag) {
  add_stream("projects");
  flow("projects", 12);
  const Diagnosis seen = diagnosed();
  EXPECT_EQ(seen.banner.level, Level::good);
  EXPECT_EQ(seen.banner.text, "Delivering. 1,240 events/s in, 1,240 out, 0 s behind.");
  EXPECT_EQ(seen.streams[0].state, "delivering");
  EXPECT_THAT(seen.findings, IsEmpty());
}

TEST_F(TheBanner, NothingEverCame) {
  add_stream("projects");
  pass(400);
  EXPECT_EQ(diagnosed().banner.level, Level::idle);
  EXPECT_EQ(diagnosed().banner.text, "Waiting for the first event; no sender is connected.");
  metrics.connections.with("forward").add(2);
  EXPECT_EQ(diagnosed().banner.text, "Waiting for the first event; 2 senders connected.");
}

TEST_F(TheBanner, IsNotGreenBeforeTheFirstAnswer) {
  add_stream("projects");
  receive("projects", 50);
  pass();
  EXPECT_EQ(diagnosed().banner.level, Level::idle);
  EXPECT_EQ(diagnosed().banner.text,
            "50 events are on the way to Kinesis; no answer has come yet.");
}

TEST_F(TheBanner, NothingComesAnyMore) {
  add_stream("projects");
  flow("projects", 3);
  pass(720);
  EXPECT_EQ(diagnosed().banner.level, Level::idle);
  EXPECT_THAT(diagnosed().banner.text, StartsWith("No events for 12 min"));
  EXPECT_THAT(diagnosed().banner.text, HasSubstr(" UTC); no sender is connected."));
}

TEST_F(TheBanner, KinesisCannotBeReached) {
  auto& stream = add_stream("projects");
  flow("projects", 5);
  receive("projects", 145'700);
  stream.oldest_received = clock.wall();
  stream.spool_bytes = 60ull << 20;
  pass(134);
  fail(stream, DeliveryTrouble::unreachable,
       "cannot connect to kinesis.us-east-1.amazonaws.com:443 (connection refused)", seconds(134));
  const Diagnosis seen = diagnosed();
  EXPECT_EQ(seen.banner.level, Level::bad);
  EXPECT_EQ(seen.banner.text,
            "Not delivering to projects for 2 min 14 s: cannot connect to "
            "kinesis.us-east-1.amazonaws.com:443 (connection refused). 145,700 events are safe on "
            "disk; room for 100 MiB more. Check egress rules, the proxy and DNS.");
  EXPECT_EQ(seen.streams[0].state, "retrying: unreachable");
}

TEST_F(TheBanner, WhatGrowsSaysForHowLongThereIsRoom) {
  auto& stream = add_stream("projects");
  for (int i = 0; i < 61; ++i) {
    receive("projects", 100);
    stream.spool_bytes += 1 << 20;
    pass();
  }
  stream.oldest_received = clock.wall() - seconds(60);
  fail(stream, DeliveryTrouble::service_fault, "InternalFailure", seconds(60));
  EXPECT_THAT(diagnosed().banner.text, HasSubstr("room for 1 min 39 s at this rate"));
}

TEST_F(TheBanner, InMemoryNothingIsCalledSafe) {
  auto& stream = add_stream("projects");
  status.spool.directory.clear();
  receive("projects", 1);
  fail(stream, DeliveryTrouble::service_fault, "InternalFailure", seconds(60));
  EXPECT_THAT(diagnosed().banner.text, HasSubstr("1 event is in memory;"));
}

TEST_F(TheBanner, OneLostConnectionIsNoNews) {
  auto& stream = add_stream("projects");
  flow("projects", 12);
  fail(stream, DeliveryTrouble::unreachable, "connection to x:443 ended before the answer",
       seconds(1));
  EXPECT_EQ(diagnosed().banner.level, Level::good);
}

TEST_F(TheBanner, EachCauseHasItsCure) {
  const struct {
    DeliveryTrouble trouble;
    const char* error;
    const char* text;
    const char* cure;
  } cases[] = {
      {DeliveryTrouble::not_found, "ResourceNotFoundException",
       "stream my-projects (us-east-1) does not exist (ResourceNotFoundException)",
       "Create it, or correct streams.projects.name or .region."},
      {DeliveryTrouble::access_denied, "AccessDeniedException",
       "AWS denies access to stream my-projects (us-east-1) (AccessDeniedException)",
       "Compare the policy of the role or user with `penstock iam-policy`."},
      {DeliveryTrouble::access_denied, "KMSDisabledException",
       "the KMS key of stream my-projects (us-east-1) cannot be used (KMSDisabledException)",
       "Enable the key, or allow kms:GenerateDataKey on it."},
      {DeliveryTrouble::credentials, "InvalidSignatureException",
       "AWS rejects the credentials of environment (InvalidSignatureException)",
       "Correct the access key or the role; new credentials take effect without a restart."},
      {DeliveryTrouble::service_fault, "InternalFailure",
       "the service at kinesis.us-east-1.amazonaws.com:443 fails (InternalFailure)",
       "penstock retries automatically; if it lasts, see the AWS Health Dashboard."},
      {DeliveryTrouble::throttled, "ThrottlingException",
       "Kinesis throttles every request (ThrottlingException)",
       "Ask AWS for a higher quota, or send fewer, larger records: aggregation."},
      {DeliveryTrouble::request_rejected, "ValidationException",
       "Kinesis rejects the requests (ValidationException)",
       "See PenstockNotDelivering in doc/operations.md."},
      {DeliveryTrouble::unreachable, "TLS with x:443 failed: certificate has expired",
       "TLS with x:443 failed: certificate has expired",
       "Check aws.ca_bundle, and any proxy that inspects TLS."},
  };
  auto& stream = add_stream("projects");
  stream.credentials.provider = "environment";
  receive("projects", 5);
  for (const auto& one : cases) {
    fail(stream, one.trouble, one.error, seconds(60));
    const Banner banner = diagnosed().banner;
    EXPECT_EQ(banner.level, Level::bad);
    EXPECT_THAT(banner.text, HasSubstr(one.text));
    EXPECT_THAT(banner.text, testing::EndsWith(one.cure));
  }
}

TEST_F(TheBanner, WhatWaitsForAFormerTargetCanBeSentElsewhere) {
  auto& stream = add_stream("projects");
  receive("projects", 5);
  stream.paused_because = "former target projcets (us-east-1): ResourceNotFoundException";
  const Banner banner = diagnosed().banner;
  EXPECT_EQ(banner.level, Level::bad);
  EXPECT_THAT(banner.text, HasSubstr(stream.paused_because));
  EXPECT_THAT(banner.text, HasSubstr("stop penstock and send what is stored for it elsewhere"));
}

TEST_F(TheBanner, WithoutCredentialsItSaysWhereItLooked) {
  auto& stream = add_stream("projects");
  stream.credentials.last_error =
      "tried environment, profile default, instance metadata (HTTP 403)";
  receive("projects", 5);
  fail(stream, DeliveryTrouble::credentials, "no credentials", seconds(60));
  EXPECT_THAT(diagnosed().banner.text,
              HasSubstr("there are no AWS credentials (tried environment, profile default, "
                        "instance metadata (HTTP 403))"));
}

TEST_F(TheBanner, SeveralStreamsWithOneCauseAreOneSentence) {
  status.streams.reserve(3);
  for (const char* name : {"audit", "operations", "projects"}) {
    auto& stream = add_stream(name);
    receive(name, 1000);
    fail(stream, DeliveryTrouble::unreachable, "cannot connect to x:443 (connection refused)",
         seconds(90));
  }
  EXPECT_EQ(diagnosed().banner.text,
            "Not delivering to audit, operations and projects for 1 min 30 s: cannot connect to "
            "x:443 (connection refused). 3,000 events are safe on disk. Check egress rules, the "
            "proxy and DNS.");
}

// Whatever the reason: it is never green while nothing is delivered.
TEST_F(TheBanner, SilenceOfTheServiceIsNotGood) {
  auto& stream = add_stream("projects");
  flow("projects", 3);
  receive("projects", 10);
  stream.oldest_received = clock.wall();
  pass(20);
  EXPECT_EQ(diagnosed().banner.level, Level::bad);
  EXPECT_THAT(diagnosed().banner.text,
              HasSubstr("no answer from kinesis.us-east-1.amazonaws.com:443"));
}

TEST_F(TheBanner, FallingBehindNamesRatesTimeAndShards) {
  auto& stream = add_stream("projects");
  stream.delivery.shards = 4;
  for (int i = 0; i < 61; ++i) {
    receive("projects", 4500);
    ledger.deliver("projects", 1730);
    stream.spool_bytes += 1 << 20;
    stream.delivery.last_success = clock.wall();
    pass();
  }
  stream.oldest_received = clock.wall() - seconds(49);
  stream.delivery.shards_throttled = {0, 1};
  const Diagnosis seen = diagnosed();
  EXPECT_EQ(seen.banner.level, Level::warning);
  EXPECT_EQ(seen.banner.text,
            "Falling behind. Stream projects takes 1,730/s, 4,500/s come in; 49 s behind. Full in "
            "about 1 min 39 s. Shards 0 and 1 are at their limit. Add shards, use on-demand mode, "
            "or use aggregation.");
  EXPECT_EQ(seen.streams[0].state, "slowed: 2 of 4 shards");
}

TEST_F(TheBanner, AfterAnOutageItCatchesUp) {
  auto& stream = add_stream("projects");
  receive("projects", 100'000);
  for (int i = 0; i < 12; ++i) {
    receive("projects", 1000);
    ledger.deliver("projects", 6000);
    stream.delivery.last_success = clock.wall();
    pass();
  }
  stream.oldest_received = clock.wall() - seconds(180);
  EXPECT_EQ(diagnosed().banner.text,
            "Catching up. Stream projects takes 6,000/s, 1,000/s come in; 3 min behind, 40,000 "
            "events left, about 8.0 s. Nothing to do.");
  EXPECT_EQ(diagnosed().streams[0].state, "catching up");
}

TEST_F(TheBanner, SendersThatWaitAreNamedWithTheShare) {
  auto& stream = add_stream("projects");
  flow("projects", 12);
  stream.spool_bytes = ObservationRig::kShare;
  stream.pushing_back = true;
  EXPECT_EQ(diagnosed().banner.level, Level::warning);
  EXPECT_THAT(diagnosed().banner.text,
              StartsWith("Senders are slowed down: the share of stream projects is full (160 MiB "
                         "of 160 MiB)."));
}

TEST_F(TheBanner, ABrokenDiskIsBad) {
  auto& stream = add_stream("projects");
  add_stream("audit").disk_failing = true;
  stream.disk_failing = true;
  status.spool.last_error = "cannot write: No space left on device";
  const Diagnosis seen = diagnosed();
  EXPECT_EQ(seen.banner.level, Level::bad);
  EXPECT_THAT(seen.banner.text,
              StartsWith("Cannot write to the spool in /var/lib/penstock: cannot write: No space "
                         "left on device. Senders wait; what was acknowledged is safe."));
  EXPECT_EQ(seen.findings.size(), 1u);  // one disk
}

TEST_F(TheBanner, DeadLettersAreToldWithTheirReasonWhileItFlows) {
  add_stream("projects");
  flow("projects", 12);
  receive("projects", 2);
  ledger.dead_letter("projects", "refused", 2);
  pass();
  const Diagnosis seen = diagnosed();
  EXPECT_EQ(seen.banner.level, Level::warning);
  EXPECT_THAT(seen.banner.text, StartsWith("Delivering."));
  EXPECT_THAT(seen.banner.text,
              HasSubstr("2 events of stream projects became dead letters: Kinesis rejects the "
                        "record."));
  EXPECT_EQ(seen.findings[0].command, "penstock dead-letter ls /var/lib/penstock");
  pass(901);
  EXPECT_THAT(diagnosed().findings, IsEmpty());
}

TEST_F(TheBanner, DroppedEventsAreBad) {
  add_stream("projects");
  flow("projects", 12);
  receive("projects", 3);
  ledger.drop("projects", "spool_full", 3);
  pass();
  EXPECT_EQ(diagnosed().banner.level, Level::bad);
  EXPECT_THAT(diagnosed().banner.text,
              StartsWith("3 events were dropped: the spool is full and spool.when_full is "
                         "drop_oldest. They are lost."));
}

TEST_F(TheBanner, DamageIsNoMatterOfADirectory) {
  add_stream("projects");
  flow("projects", 12);
  receive("projects", 3);
  ledger.drop("projects", "damaged", 3);
  pass();
  ASSERT_THAT(diagnosed().findings, testing::SizeIs(1));
  EXPECT_THAT(diagnosed().findings[0].cure, StartsWith("The log names the files"));
  EXPECT_EQ(diagnosed().findings[0].command, "penstock spool verify /var/lib/penstock");
}

TEST_F(TheBanner, LostDatagramsAreTold) {
  add_stream("projects");
  flow("projects", 12);
  metrics.messages_refused.with("syslog", "udp_overflow").add(4008);
  pass();
  EXPECT_THAT(diagnosed().banner.text,
              HasSubstr("Source syslog lost 4,008 datagrams: they came faster than they were "
                        "taken."));
}

TEST_F(TheBanner, WhatIsDroppedAsConfiguredIsNoProblem) {
  add_stream("projects");
  receive("projects", 6);
  ledger.drop("projects", "own_logs", 3);
  ledger.drop("projects", "not_selected", 3);
  pass();
  EXPECT_THAT(diagnosed().findings, IsEmpty());
}

TEST_F(TheBanner, RejectedSendersAreToldInPlainWords) {
  add_stream("projects");
  flow("projects", 12);
  metrics.auth_failures.with("forward", "bad_key").add(3);
  pass();
  EXPECT_THAT(diagnosed().banner.text,
              HasSubstr("Source forward rejects senders: wrong shared key (3 times)."));
}

TEST_F(TheBanner, SeveralSmallProblemsAreCounted) {
  add_stream("projects");
  flow("projects", 12);
  metrics.auth_failures.with("forward", "bad_key").add(1);
  status.process.reload_error = "penstock.yaml:3: unknown key 'stream'";
  pass();
  EXPECT_THAT(diagnosed().banner.text, testing::EndsWith("2 more problems below."));
}

TEST_F(TheBanner, CertificatesAndCredentialsNearTheirEnd) {
  add_stream("projects");
  status.certificates.push_back({"forward", "CN=x", clock.wall() + std::chrono::hours(24)});
  metrics::CredentialsStatus credentials;
  credentials.provider = "web identity";
  credentials.expires = clock.wall() + seconds(60);
  credentials.last_error = "STS does not answer";
  status.credentials = {credentials};
  const Diagnosis seen = diagnosed();
  ASSERT_EQ(seen.findings.size(), 2u);
  EXPECT_EQ(seen.findings[0].text, "The certificate of source forward expires in 1 day.");
  EXPECT_EQ(seen.findings[1].text,
            "The AWS credentials expire in 1 min and could not be renewed: STS does not answer.");
}

TEST_F(TheBanner, FullDeadLettersAndAFullVolume) {
  add_stream("projects");
  status.spool.dead_letter_directory = "/var/lib/penstock/dead-letter";
  status.spool.dead_letter_bytes = 900;
  status.spool.dead_letter_bytes_max = 1000;
  status.spool.bytes = 200;
  status.spool.bytes_max = 500;
  status.spool.volume_bytes = 1000;
  status.spool.volume_bytes_free = 40;
  const Diagnosis seen = diagnosed();
  ASSERT_EQ(seen.findings.size(), 2u);
  EXPECT_THAT(seen.findings[0].text, StartsWith("The dead letters fill up: 900 bytes of 1000 b"));
  EXPECT_THAT(seen.findings[1].text, HasSubstr("nearly full: 40 bytes of 1000 bytes free, and "
                                               "spool and dead letters may grow by 400 bytes."));
}

TEST_F(TheBanner, ALargeVolumeWithMoreFreeThanWillEverBeWrittenIsNoTrouble) {
  add_stream("projects");
  status.spool.bytes = 200;
  status.spool.bytes_max = 500;
  status.spool.dead_letter_bytes_max = 100;
  status.spool.volume_bytes = 100'000;
  status.spool.volume_bytes_free = 400;
  EXPECT_THAT(diagnosed().findings, IsEmpty());
  status.spool.volume_bytes_free = 399;
  EXPECT_EQ(diagnosed().findings.size(), 1u);
}

TEST_F(TheBanner, IgnoredKeysAreTroubleOnlyWhereTheyAreNeeded) {
  add_stream("projects");
  flow("projects", 12);
  status.streams[0].delivery.keys_ignored_since = clock.wall() - seconds(90);
  EXPECT_THAT(diagnosed().findings, IsEmpty());
  status.streams[0].ordered = true;
  const Diagnosis ordered = diagnosed();
  ASSERT_EQ(ordered.findings.size(), 1u);
  EXPECT_EQ(ordered.findings[0].since, clock.wall() - seconds(90));
  EXPECT_THAT(ordered.findings[0].text, HasSubstr("records of one key arrive in any order."));
  EXPECT_THAT(ordered.findings[0].text, Not(HasSubstr("KPL")));
  EXPECT_THAT(ordered.findings[0].cure, HasSubstr("USER_PARTITION_KEY, or remove order."));
  status.streams[0].ordered = false;
  status.streams[0].kpl_aggregates = true;
  EXPECT_THAT(diagnosed().findings[0].text, HasSubstr("Each event is sent as a record of its own"));
}

TEST_F(TheBanner, ThePhaseIsTold) {
  add_stream("projects");
  readyz = {false, "starting"};
  EXPECT_EQ(diagnosed().banner.text, "Starting.");
  readyz = {false, "draining"};
  EXPECT_THAT(diagnosed().banner.text, StartsWith("Stopping. "));
  healthz = {false, "thread spool has not run for 31 s"};
  EXPECT_EQ(diagnosed().banner.level, Level::bad);
}

}  // namespace
}  // namespace penstock::admin
