// What is stored for one target goes to another: never to both, never to none.
#include "spool/redirect.h"

#include <gmock/gmock.h>

#include "spool/disk_spool_fixture.h"
#include "spool/spool_inspection.h"

namespace penstock::spool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class Redirect : public DiskSpool {
 protected:
  Redirect() { options.bytes_max = 64 << 20; }  // the logs of many targets
  static std::optional<LogDescription> misspelled_to_correct(const LogDescription& now) {
    if (now.target != "misspelled") return std::nullopt;
    return LogDescription{now.stream, "correct", "settings of correct"};
  }
  Result<std::vector<RedirectedLog>, Error> redirect() {
    return redirect_logs(files, "/spool", misspelled_to_correct, {});
  }
  // Three events of stream a for a target that is misspelled, one of them in an overflow log.
  void store() {
    target = "misspelled";
    open();
    append("1", {"a:one", "b:uno"});
    append("2", {"a:two"});
    append("3", {"a:three"});
    commit();
    move_to_overflow(*next(a), 2);
    clock.advance(seconds(1));
    commit();
  }
  void stop() {
    spool->close();
    spool.reset();
  }
  struct Delivered {
    std::vector<std::string> texts;
    std::vector<std::string> settings;  // by which they would go
  };
  Delivered deliver_stream(const std::string& stream) {
    Delivered delivered;
    for (StreamLog* const log : spool->logs()) {
      if (log->stream() != stream) continue;
      const size_t before = delivered.texts.size();
      for (int turn = 0; turn < 20; ++turn) {  // the logs of other targets have theirs
        for (size_t slot = 0; slot < kOverflowLogs; ++slot) {
          for (std::string& text : deliver(log->overflow(slot))) delivered.texts.push_back(text);
        }
        for (std::string& text : deliver(log)) delivered.texts.push_back(text);
      }
      if (delivered.texts.size() > before) delivered.settings.push_back(log->settings());
    }
    return delivered;
  }
};

TEST_F(Redirect, WhatIsStoredForOneTargetGoesToAnother) {
  store();
  stop();
  const auto redirected = redirect();
  ASSERT_TRUE(redirected.has_value()) << redirected.error().message;
  ASSERT_EQ(redirected->size(), 1u);
  EXPECT_EQ(redirected->front().from.target, "misspelled");
  EXPECT_EQ(redirected->front().events, 3u);  // that of the overflow log, too
  target = "correct";
  open();
  const Delivered delivered = deliver_stream("a");
  EXPECT_THAT(delivered.texts, UnorderedElementsAre("one", "two", "three"));
  EXPECT_THAT(delivered.settings, ElementsAre("settings of a"));  // adopted by the stream
  EXPECT_THAT(deliver_stream("b").texts, ElementsAre("uno"));
  expect_balance();
}

TEST_F(Redirect, AFormerLogKeepsItsPlaceBeforeTheOneInUse) {
  store();
  stop();
  target = "correct";
  open();
  append("4", {"a:four"});
  commit();
  stop();
  ASSERT_EQ(redirect()->size(), 1u);
  open();
  const Delivered delivered = deliver_stream("a");
  EXPECT_EQ(delivered.texts.back(), "four");
  EXPECT_THAT(delivered.settings, ElementsAre("settings of correct", "settings of a"));
}

TEST_F(Redirect, WithoutSuchATargetNothingIsChanged) {
  store();
  stop();
  ASSERT_EQ(redirect()->size(), 1u);
  const auto again = redirect();
  ASSERT_TRUE(again.has_value());
  EXPECT_THAT(*again, IsEmpty());
}

TEST_F(Redirect, LookingChangesNothingAndNeedsNoLock) {
  store();
  const auto found = logs_to_redirect(files, "/spool", misspelled_to_correct, {});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ(found->size(), 1u);
  EXPECT_EQ((*inspect_spool(files, "/spool", {}))[1].description.target, "misspelled");
}

TEST_F(Redirect, ADirectoryWithoutASpoolIsNamed) {
  ASSERT_TRUE(files.make_directory("/other").has_value());
  const auto redirected = redirect_logs(files, "/other", misspelled_to_correct, {});
  ASSERT_FALSE(redirected.has_value());
  EXPECT_THAT(redirected.error().message, HasSubstr("/other holds no spool"));
  EXPECT_THAT(files.files(), IsEmpty());
}

// Steps: each operation that writes. Whenever the process or the machine stops, the log goes to the
// old target or to the new one, whole.
TEST_F(Redirect, StoppedAtAnyStepNothingIsLostAndNothingComesTwice) {
  for (const bool power : {false, true}) {
    bool crashed = true;
    for (uint64_t n = 1; std::exchange(crashed, false); ++n) {
      SCOPED_TRACE((power ? "power loss at step " : "kill at step ") + std::to_string(n));
      ASSERT_LT(n, 100u);
      store();
      stop();
      files.crash_after(n);
      try {
        ASSERT_TRUE(redirect().has_value());
      } catch (const FaultyFileSystem::Crash&) {
        crashed = true;
      }
      files.forget_crash();
      power ? files.lose_power() : files.kill();
      target = "correct";
      open();
      EXPECT_THAT(deliver_stream("a").texts, UnorderedElementsAre("one", "two", "three"));
      EXPECT_THAT(deliver_stream("b").texts, ElementsAre("uno"));
      expect_balance();
      stop();
      if (!crashed) {
        EXPECT_GT(n, 8u);
      }
    }
  }
}

}  // namespace
}  // namespace penstock::spool
