#include "cli/configuration_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/loader.h"

namespace penstock::cli {
namespace {

using testing::HasSubstr;

TEST(ConfigurationSummary, SaysWhatGoesWhere) {
  const auto loaded = config::load_text(R"(
sources:
  - forward: {listen: "127.0.0.1:1"}
  - http: {auth: {service_accounts: [a/b]}}
  - syslog: {udp: true}
routes:
  - {log_type: audit, source: http, stream: one}
  - {tag: "app.**", where: {a."b.c": "x*"}, stream: two}
streams:
  one: {name: s, aggregation: kpl}
  two: {firehose: f, endpoint: "http://127.0.0.1:1"}
)",
                                        "t.yaml", config::Environment{{"AWS_REGION", "eu-west-1"}});
  ASSERT_TRUE(loaded.has_value());
  const std::string summary = configuration_summary(loaded->config);
  for (const char* line : {
           "source forward: forward on 127.0.0.1:1, plain text, no shared key\n",
           "source http: http on 0.0.0.0:8443, plain text, service accounts\n",
           "source syslog: syslog on 0.0.0.0:6514, plain text, UDP too\n",
           "route source: http, log_type: audit: to one\n",
           "route tag: app.**, where: a.\"b.c\" is x*: to two\n",
           "route the rest: dead-lettered (no_route)\n",
           "stream one: s in eu-west-1, aggregation kpl, compression none, order none\n",
           "stream two: firehose f in eu-west-1 at http://127.0.0.1:1, aggregation none",
           "spool: in memory only, part of memory_limit (256MiB), when full block; ack when "
           "delivered\n",
           "memory: at most 256MiB\n",
           "admin port: 0.0.0.0:9880\n",
       }) {
    EXPECT_THAT(summary, HasSubstr(line));
  }
}

TEST(ConfigurationSummary, BehindARouteThatTakesEverythingThereIsNoRest) {
  const auto loaded = config::load_text(R"(
sources: [{forward: {listen: "127.0.0.1:1"}}]
routes: [{stream: one}]
streams: {one: {name: s}}
)",
                                        "t.yaml", config::Environment{{"AWS_REGION", "eu-west-1"}});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_THAT(configuration_summary(loaded->config), HasSubstr("route everything: to one\n"));
  EXPECT_THAT(configuration_summary(loaded->config), testing::Not(HasSubstr("the rest")));
}

}  // namespace
}  // namespace penstock::cli
