#include "config/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

MATCHER_P2(Changes, key, needs_restart, "") {
  return arg.key == key && arg.needs_restart == needs_restart;
}

Config running() {
  Config config;
  config.forward.emplace_back().name = "forward";
  config.syslog.emplace_back().name = "syslog";
  config.streams.emplace_back().key = "audit";
  config.streams.emplace_back().key = "projects";
  config.spool.directory = "/data";
  config.ack = AckMode::stored;
  return config;
}

TEST(Diff, OfTheSameIsNothing) { EXPECT_THAT(diff(running(), running()), IsEmpty()); }

TEST(Diff, OrderOfStreamsIsNoChange) {
  Config wanted = running();
  std::swap(wanted.streams[0], wanted.streams[1]);
  EXPECT_THAT(diff(running(), wanted), IsEmpty());
}

TEST(Diff, TheSecureAdminPortOpensAtARestartAndTakesUpItsSecretsWithoutOne) {
  Config before = running();
  Config wanted = running();
  wanted.admin_secure.emplace().tls.emplace().cert = "/cert";
  EXPECT_THAT(diff(before, wanted), ElementsAre(Changes("admin.secure", true)));
  EXPECT_FALSE(applicable(before, wanted).admin_secure.has_value());
  EXPECT_TRUE(applicable(wanted, before).admin_secure.has_value());

  before = wanted;
  wanted.admin_secure->listen.port = 1;
  wanted.admin_secure->tls->cert = "/other";
  wanted.admin_secure->auth.emplace().service_accounts = {"a/b"};
  EXPECT_THAT(diff(before, wanted),
              ElementsAre(Changes("admin.secure.listen", true), Changes("admin.secure.tls", false),
                          Changes("admin.secure.auth", false)));
  const Config applied = applicable(before, wanted);
  EXPECT_EQ(applied.admin_secure->listen, before.admin_secure->listen);
  EXPECT_EQ(applied.admin_secure->tls, wanted.admin_secure->tls);
  EXPECT_EQ(applied.admin_secure->auth, wanted.admin_secure->auth);
}

TEST(Diff, NamesEachKeyAndWhatNeedsARestart) {
  Config wanted = running();
  wanted.forward[0].listen.port = 1;
  wanted.forward[0].shared_key_files.push_back({"/key"});
  wanted.syslog[0].udp = true;
  wanted.streams[1].region = "us-east-1";
  wanted.streams[1].kind = StreamKind::firehose;
  wanted.streams[1].data_key = {"log"};
  wanted.streams[1].newline = true;
  wanted.streams[1].inject.fields = {{"a", "b"}};
  wanted.routes.emplace_back().stream = "audit";
  wanted.spool.directory = "/other";
  wanted.spool.max_size = 1;
  wanted.dedup_window = milliseconds(0);
  wanted.memory_limit = 1;
  wanted.own_logs.ignore = false;
  wanted.admin_listen.port = 1;

  EXPECT_THAT(
      diff(running(), wanted),
      ElementsAre(
          Changes("sources.forward.listen", true),
          Changes("sources.forward.shared_key_file", false), Changes("sources.syslog.udp", true),
          Changes("streams.projects.firehose", false), Changes("streams.projects.region", false),
          Changes("streams.projects.data_key", false), Changes("streams.projects.newline", false),
          Changes("streams.projects.inject", false), Changes("routes", false),
          Changes("spool.directory", true), Changes("spool.max_size", false),
          Changes("dedup.window", false), Changes("memory_limit", true),
          Changes("ignore_own_logs", false), Changes("admin.listen", true)));
}

TEST(Diff, NewAndRemovedStreamsNeedNoRestartSourcesDo) {
  Config wanted = running();
  wanted.streams[0].key = "security";
  wanted.http.emplace_back().name = "http";
  wanted.syslog.clear();

  EXPECT_THAT(diff(running(), wanted), ElementsAre(Changes("sources.http (new)", true),
                                                   Changes("sources.syslog (removed)", true),
                                                   Changes("streams.audit (removed)", false),
                                                   Changes("streams.security (new)", false)));
}

TEST(Diff, ASourceIsTheOneAtItsAddressWhateverItsName) {
  Config before = running();
  before.forward.emplace_back().name = "forward-2";
  before.forward[1].listen.port = 2;
  before.forward[1].max_connections = 2;

  Config renamed = before;
  renamed.forward[0].name = "collectors";
  renamed.forward[0].shared_key_files.push_back({"/new-key"});
  EXPECT_THAT(diff(before, renamed),
              ElementsAre(Changes("sources.forward.name", true),
                          Changes("sources.forward.shared_key_file", false)));
  EXPECT_EQ(applicable(before, renamed).forward.at(0).name, "forward");
  EXPECT_EQ(applicable(before, renamed).forward.at(0).shared_key_files.size(), 1);

  Config without_the_first = before;  // the second is counted as the first now
  without_the_first.forward.erase(without_the_first.forward.begin());
  without_the_first.forward[0].name = "forward";
  EXPECT_THAT(diff(before, without_the_first),
              ElementsAre(Changes("sources.forward (removed)", true),
                          Changes("sources.forward-2.name", true)));
  const Config applied = applicable(before, without_the_first);
  EXPECT_EQ(applied.forward.at(0).max_connections, before.forward[0].max_connections);
  EXPECT_EQ(applied.forward.at(1).max_connections, 2);
  EXPECT_EQ(applied.forward.at(1).name, "forward-2");

  Config moved = without_the_first;  // and one more, at another address, has the second's name
  moved.forward.emplace_back().name = "forward-2";
  moved.forward[1].listen.port = 3;
  EXPECT_THAT(diff(before, moved), ElementsAre(Changes("sources.forward (removed)", true),
                                               Changes("sources.forward-2.name", true),
                                               Changes("sources.forward-2 (new)", true)));
}

TEST(Applicable, KeepsWhatNeedsARestartAndTakesTheRest) {
  Config wanted = running();
  wanted.forward[0].listen.port = 1;
  wanted.forward[0].max_connections = 7;
  wanted.syslog.clear();
  wanted.http.emplace_back().name = "http";
  wanted.spool.directory = "";
  wanted.ack = AckMode::delivered;  // because there is no directory
  wanted.spool.max_size = 1 << 20;
  wanted.memory_limit = 1;
  wanted.streams[0].region = "us-east-1";

  const Config applied = applicable(running(), wanted);

  EXPECT_EQ(applied.forward.at(0).listen, running().forward[0].listen);
  EXPECT_EQ(applied.forward.at(0).max_connections, 7);
  EXPECT_EQ(applied.syslog.size(), 1);
  EXPECT_THAT(applied.http, IsEmpty());
  EXPECT_EQ(applied.spool.directory, "/data");
  EXPECT_EQ(applied.ack, AckMode::stored);
  EXPECT_EQ(applied.spool.max_size, 1u << 20);
  EXPECT_EQ(applied.memory_limit, running().memory_limit);
  EXPECT_EQ(applied.streams.at(0).region, "us-east-1");
}

}  // namespace
}  // namespace penstock::config
