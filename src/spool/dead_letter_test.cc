// Dead letters: kept, bounded, and handed back.
#include "spool/dead_letter.h"

#include <gmock/gmock.h>

#include "spool/disk_spool_fixture.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class DeadLetters : public DiskSpool {
 protected:
  void bury(const std::string& text, const std::string& reason, const std::string& stream = "a") {
    const record::Ledger::Admitted received{stream, 1};
    ledger->receive("forward", {&received, 1});
    std::vector<DeadLetter> letters;
    letters.push_back({stream, reason, "code 7", batch_of(text)});
    spool->dead_letter(std::move(letters), [this, text](bool kept) {
      buried.push_back(text + (kept ? "" : " not kept"));
    });
  }
  // Every letter goes to stream b, but for those that say otherwise.
  void route_to_b() {
    spool->on_replay([this](record::Batch batch) {
      routed.push_back(std::string(as_text(batch.entries())));
      Append append;
      if (routed.back().starts_with("unroutable")) {
        append.refused.push_back({"no_route", std::move(batch)});
      } else {
        append.parts.push_back({"b", std::move(batch)});
      }
      return append;
    });
  }
  std::string ask(ReplayRequest request) {
    return *write_replay_request(files, "/spool/dead-letter", request);
  }
  void replay() {
    for (int i = 0; i < 20; ++i) {
      clock.advance(milliseconds(1100));
      while (spool->replay_turn()) {
      }
      commit();
    }
  }
  bool exists(const std::string& path) {
    const auto all = files.files();
    return std::find(all.begin(), all.end(), path) != all.end();
  }

  std::vector<std::string> buried;
  std::vector<std::string> routed;
};

TEST_F(DeadLetters, AreAnsweredWhenTheyAreSynced) {
  open();
  bury("bad", "refused");
  EXPECT_THAT(buried, IsEmpty());
  commit();
  EXPECT_THAT(buried, ElementsAre("bad"));
  EXPECT_GT(spool->dead_letter_bytes(), 0u);
  EXPECT_LE(spool->dead_letter_bytes(), spool->bytes());
  EXPECT_EQ((ledger->snapshot().dead_lettered.at({"a", "refused"})), 1u);
  expect_balance();
}

TEST_F(DeadLetters, WhatHasNoRouteIsAckedWhenItIsSyncedThere) {
  open();
  Append append;
  append.source = "forward";
  append.fingerprint = Hash128{5, 5};
  append.refused.push_back({"no_route", batch_of("lost", 3)});
  append.refused.back().batch.received_ns = unix_nanoseconds(clock.wall());
  bool done = false;
  append.done = [&](AppendOutcome outcome) { done = outcome == AppendOutcome::done; };
  spool->append(std::move(append));
  EXPECT_FALSE(done);
  commit();
  EXPECT_TRUE(done);
  EXPECT_EQ((ledger->snapshot().dead_lettered.at({"", "no_route"})), 3u);
  expect_balance();
  lose_power();
  open();
  EXPECT_FALSE(ledger->snapshot().received.contains("recovered"));  // they are final
  Append again;
  again.source = "forward";
  again.fingerprint = Hash128{5, 5};
  again.refused.push_back({"no_route", batch_of("lost", 3)});
  again.done = [](AppendOutcome) {};
  spool->append(std::move(again));
  commit();
  EXPECT_EQ(ledger->snapshot().duplicate.at("forward"), 3u);
}

TEST_F(DeadLetters, WaitForRoomWhenTheyAreFull) {
  options.dead_letter_bytes_max = 200 << 10;
  open();
  for (int i = 0; i < 100; ++i) bury(std::to_string(i) + std::string(5000, 'x'), "refused");
  commit();
  EXPECT_GT(buried.size(), 10u);
  EXPECT_LT(buried.size(), 45u);
  uint64_t bytes = 0;
  for (const std::string& path : files.files()) {
    if (path.starts_with("/spool/dead-letter/")) bytes += files.content(path).size();
  }
  EXPECT_LE(bytes, options.dead_letter_bytes_max);
  const size_t kept = buried.size();
  spool->close();
  EXPECT_EQ(buried.size(), 100u);
  EXPECT_TRUE(buried[kept].ends_with("not kept"));
}

TEST_F(DeadLetters, MayDropTheirOldest) {
  options.dead_letter_bytes_max = 200 << 10;
  options.dead_letters_when_full = WhenFull::drop_oldest;
  open();
  for (int i = 0; i < 100; ++i) {
    bury(std::to_string(i) + std::string(5000, 'x'), "refused");
    commit();
  }
  EXPECT_EQ(buried.size(), 100u);
  expect_balance();
}

TEST_F(DeadLetters, LeaveWhenTheyAreDeliveredAndNotBefore) {
  open();
  bury("one", "refused");
  bury("two", "oversized");
  bury("three", "refused");
  commit();
  route_to_b();
  const std::string request = ask({"refused", ""});
  replay();
  EXPECT_THAT(routed, ElementsAre("one", "three"));
  EXPECT_TRUE(exists(request));
  kill();  // before anything was delivered
  routed.clear();
  open();
  EXPECT_EQ(ledger->snapshot().received.at("recovered"), 2u);
  route_to_b();
  replay();
  EXPECT_THAT(routed, ElementsAre("one", "three"));  // looked at again, and recognised
  EXPECT_TRUE(exists(request));
  EXPECT_THAT(deliver(b), ElementsAre("one", "three"));
  replay();
  EXPECT_FALSE(exists(request));
  expect_balance();

  kill();
  open();
  route_to_b();
  routed.clear();
  ask({"", ""});
  replay();
  EXPECT_THAT(routed, ElementsAre("two"));
  EXPECT_THAT(deliver(b), ElementsAre("two"));
}

TEST_F(DeadLetters, ALetterThatWasDeliveredJustBeforeACrashIsNotDeliveredAgain) {
  open();
  bury("one", "refused");
  commit();
  route_to_b();
  ask({});
  replay();
  const Entry entry = *next(b);
  release(b, entry);
  clock.advance(seconds(1));
  spool->abandon();  // that it is gone has not been written down
  files.kill();
  spool.reset();
  routed.clear();
  open();
  route_to_b();
  replay();
  EXPECT_THAT(deliver(b).size(), testing::Le(1u));
  replay();
  EXPECT_THAT(*files.list("/spool/dead-letter"),
              testing::Not(testing::Contains(testing::HasSubstr("request"))));
}

TEST_F(DeadLetters, ThatHaveNoRouteAgainStay) {
  open();
  bury("unroutable", "no_route", "");
  commit();
  route_to_b();
  const std::string request = ask({});
  replay();
  EXPECT_FALSE(exists(request));
  routed.clear();
  ask({});
  replay();
  EXPECT_THAT(routed, ElementsAre("unroutable"));
}

TEST_F(DeadLetters, ThatAreDamagedAreNotReplayedAndItSaysSo) {
  open();
  for (const char* const text : {"first", "second", "third"}) bury(text, "refused");
  commit();
  kill();
  const std::string path = "/spool/dead-letter/0000000000000001.seg";
  auto bytes = files.content(path);
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  bytes[all.find("second")] ^= 1;
  files.set_content(path, bytes);
  open();
  route_to_b();
  ask({});
  replay();
  EXPECT_THAT(routed, ElementsAre("first", "third"));
  EXPECT_THAT(deliver(b), ElementsAre("first", "third"));
  replay();
  EXPECT_THAT(spool->last_error(), testing::HasSubstr("at least 1 dead letters"));
}

TEST_F(DeadLetters, RequestsAreReadAsTheyWereWritten) {
  const ReplayRequest request{"no_route", "a\nb\\c"};
  ASSERT_TRUE(files.make_directory("/d").has_value());
  const auto path = *write_replay_request(files, "/d", request);
  const auto read = **read_replay_request(files, path);
  EXPECT_EQ(read.reason, request.reason);
  EXPECT_EQ(read.stream, request.stream);
}

TEST_F(DeadLetters, WithoutASpoolDirectoryTheirOwnDirectoryIsEnough) {
  options.directory.clear();
  options.dead_letter_directory = "/letters";
  options.ack = AckMode::delivered;
  open();
  bury("bad", "refused");
  commit();
  EXPECT_THAT(buried, ElementsAre("bad"));
  append("1", {"a:one"});
  EXPECT_THAT(deliver(a), ElementsAre("one"));
  EXPECT_THAT(outcomes, ElementsAre("1 done"));
}

// What a replay reads is paid for, however large it is.
class LargeLetters : public DeadLetters {
 protected:
  static constexpr size_t kSize = 5 << 20;
  static constexpr size_t kLarge = 16 << 20;

  LargeLetters() {
    options.bytes_max = 16 << 20;  // a share has room for one
    ledger = std::make_unique<record::Ledger>();
    spool = *SpoolCore::open(options, internals, *ledger, tight_, clock, files);
    a = *spool->open_stream({"a", target, "", 0});
    b = *spool->open_stream({"b", target, "", 0});
    spool->on_replay([this](record::Batch batch) {
      routed.emplace_back(1, as_text(batch.entries()).front());
      leased_.push_back(batch.lease.bytes());
      Append append;
      append.parts.push_back({"b", std::move(batch)});
      return append;
    });
  }
  ~LargeLetters() override { spool.reset(); }

  static std::string large(char text) { return std::string(kSize, text); }
  void turn() {
    clock.advance(milliseconds(1100));
    while (spool->replay_turn()) {
    }
    commit();
  }

  memory::MemoryBudget tight_{{.ordinary_bytes = 1 << 20, .large_bytes = kLarge}};
  std::vector<size_t> leased_;
};

TEST_F(LargeLetters, AreReadWhenThereIsMemoryForThem) {
  bury(large('x'), "oversized");
  commit();
  memory::MemoryLease other;
  tight_.acquire(kLarge, [&](memory::MemoryLease lease) { other = std::move(lease); });
  ASSERT_TRUE(other);
  ask({});
  for (int i = 0; i < 3; ++i) turn();
  EXPECT_THAT(routed, IsEmpty());
  EXPECT_EQ(tight_.waiting(), 1u);
  other.release();
  turn();
  EXPECT_THAT(routed, ElementsAre("x"));
  EXPECT_THAT(leased_, ElementsAre(testing::Ge(kSize)));
  EXPECT_EQ(deliver(b).size(), 1u);
  replay();
  EXPECT_EQ(spool->dead_letter_count(), 0u);
}

TEST_F(LargeLetters, ThatWaitForRoomGiveTheirMemoryToWhoMakesIt) {
  append("1", {"b:" + large('1')});
  commit();
  bury(large('x'), "oversized");
  commit();
  ask({});
  turn();
  EXPECT_THAT(routed, ElementsAre("x"));
  EXPECT_FALSE(next(b).has_value()) << "the letter has the memory";
  std::optional<Entry> first;
  for (int i = 0; i < 6 && !first; ++i) {
    turn();
    first = next(b);
  }
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(text_of(*first).front(), '1');
  release(b, *first);
  first.reset();
  for (int i = 0; i < 10; ++i) {
    clock.advance(seconds(1));
    turn();
  }
  EXPECT_THAT(routed, ElementsAre("x", "x"));
  EXPECT_EQ(deliver(b).size(), 1u);
  replay();
  EXPECT_EQ(spool->dead_letter_count(), 0u);
  expect_balance();
}

}  // namespace
}  // namespace penstock::spool
