#include "delivery/refusal_search.h"

#include <gtest/gtest.h>

#include <ostream>
#include <vector>

namespace penstock::delivery {
namespace {

using namespace std::chrono_literals;
using Action = RefusalSearch::Action;

constexpr SteadyTime kStart{1h};

struct Step {
  const char* what;
  enum class Event : uint8_t { rejected, probe_rejected, accepted } event;
  size_t records = 0;
  bool probes_open = false;
  bool requests_open = false;
  Action action = Action::halve;
  bool retest = false;  // of accepted: suspects are to be asked about now
};
using enum Step::Event;

struct Case {
  const char* name;
  std::vector<Step> steps;
};
void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

class RefusalSearchTable : public testing::TestWithParam<Case> {};

// Each step a second after the one before.
TEST_P(RefusalSearchTable, Acts) {
  RefusalSearch search;
  SteadyTime now = kStart;
  for (const Step& step : GetParam().steps) {
    now += 1s;
    if (step.event == accepted) {
      EXPECT_EQ(search.on_accepted(now), step.retest) << step.what;
      if (step.retest) search.retesting();
      continue;
    }
    const Action action = search.on_rejected({.records = step.records,
                                              .is_probe = step.event == probe_rejected,
                                              .probes_open = step.probes_open,
                                              .requests_open = step.requests_open},
                                             now);
    EXPECT_EQ(action, step.action) << step.what;
    if (action == Action::pause_stream) {
      search.pause("InvalidArgumentException", false, 30s, now);
      search.retesting();
      now = search.paused_until();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RefusalSearchTable,
    testing::Values(
        Case{"one bad record among good ones",
             {{"the request", rejected, 4, false, false, Action::halve},
              {"the good half", accepted},
              {"the bad half", probe_rejected, 2, false, false, Action::halve},
              {"the good record", accepted},
              {"the bad record", probe_rejected, 1, false, false, Action::reject_record}}},
        Case{
            "a bad record is found before any other answer: it waits for one",
            {{"the request", rejected, 2, false, false, Action::halve},
             {"the bad record", probe_rejected, 1, true, false, Action::suspect},
             {"the good record", accepted, 0, false, false, {}, true},
             {"the bad record once more", probe_rejected, 1, false, false, Action::reject_record}}},
        Case{"what was accepted before the search began says nothing",
             {{"an earlier request", accepted},
              {"a record alone", rejected, 1, false, false, Action::pause_stream},
              {"it is retested", probe_rejected, 1, false, false, Action::pause_stream}}},
        Case{"nothing is accepted: the stream, not its records",
             {{"the request", rejected, 2, false, false, Action::halve},
              {"the first record", probe_rejected, 1, true, false, Action::suspect},
              {"the second record", probe_rejected, 1, false, false, Action::pause_stream},
              {"after the pause, the first", probe_rejected, 1, true, false, Action::suspect},
              {"and the second", probe_rejected, 1, false, false, Action::pause_stream}}},
        Case{"after the pause others are accepted",
             {{"the record", rejected, 1, false, false, Action::pause_stream},
              {"another record", accepted},
              {"the record once more", probe_rejected, 1, false, false, Action::reject_record}}},
        Case{"requests in flight may still say something",
             {{"the record", rejected, 1, false, true, Action::suspect},
              {"another request", accepted, 0, false, false, {}, true}}}));

// It was rejected alone before others were accepted, and comes back for another verdict.
TEST(RefusalSearch, ARecordThatWasSetAsideIsRejectedOnceOthersWereAccepted) {
  RefusalSearch search;
  const RefusalSearch::Rejected again{.records = 1, .set_aside = kStart + 1s};
  EXPECT_EQ(search.on_rejected(again, kStart + 2s), Action::pause_stream);
  search.retesting();
  (void)search.on_accepted(kStart + 3s);
  EXPECT_EQ(search.on_rejected({.records = 1}, kStart + 4s), Action::pause_stream);
  search.retesting();
  EXPECT_EQ(search.on_rejected(again, kStart + 5s), Action::reject_record);
}

TEST(RefusalSearch, OthersAreAwaitedInVainFromTheNextPauseOn) {
  RefusalSearch search;
  (void)search.on_rejected({.records = 1}, kStart);
  search.pause("", false, 30s, kStart);
  search.await_others();
  EXPECT_FALSE(search.awaited_in_vain());
  search.pause("", false, 30s, kStart + 30s);
  EXPECT_TRUE(search.awaited_in_vain());
  search.others_tried(kStart + 60s);
  EXPECT_FALSE(search.awaited_in_vain());
}

TEST(RefusalSearch, PausesAfterSixteenSuspectsThoughTheSearchGoesOn) {
  RefusalSearch search;
  (void)search.on_rejected({.records = 32}, kStart);
  for (int suspect = 1; suspect < 16; ++suspect) {
    EXPECT_EQ(
        search.on_rejected({.records = 1, .is_probe = true, .probes_open = true}, kStart + 1s),
        Action::suspect);
  }
  EXPECT_EQ(search.on_rejected({.records = 1, .is_probe = true, .probes_open = true}, kStart + 1s),
            Action::pause_stream);
  EXPECT_TRUE(search.wants_others());
  search.others_tried(kStart + 40s);
  EXPECT_FALSE(search.wants_others());
}

TEST(RefusalSearch, OthersThatWereAwaitedAreTriedDuringThePauseAndCount) {
  RefusalSearch search;
  EXPECT_EQ(search.on_rejected({.records = 1}, kStart), Action::pause_stream);
  search.pause("InvalidArgumentException", false, 30s, kStart);
  EXPECT_FALSE(search.may_try_others(kStart + 29s));
  EXPECT_TRUE(search.may_try_others(kStart + 30s));
  search.await_others();
  EXPECT_EQ(search.on_rejected({.records = 1, .is_probe = true}, kStart + 30s),
            Action::pause_stream);
  search.pause("InvalidArgumentException", false, 30s, kStart + 30s);
  EXPECT_TRUE(search.may_try_others(kStart + 31s));
  search.others_tried(kStart + 31s);
  EXPECT_FALSE(search.may_try_others(kStart + 60s));
  (void)search.on_accepted(kStart + 32s);
  EXPECT_EQ(search.on_rejected({.records = 1, .is_probe = true}, kStart + 60s),
            Action::reject_record);
}

TEST(RefusalSearch, APauseEndsWithAnAnswerAndOneForCredentialsWithNewOnes) {
  RefusalSearch search;
  EXPECT_FALSE(search.is_paused());
  EXPECT_FALSE(search.on_new_credentials(kStart));
  search.pause("AccessDeniedException", false, 30s, kStart);
  EXPECT_TRUE(search.is_paused());
  EXPECT_EQ(search.paused_until(), kStart + 30s);
  EXPECT_FALSE(search.on_new_credentials(kStart + 1s));
  EXPECT_EQ(search.on_answered(), "AccessDeniedException");
  EXPECT_FALSE(search.is_paused());
  EXPECT_EQ(search.on_answered(), "");
  search.pause("ExpiredTokenException", true, 30s, kStart);
  EXPECT_TRUE(search.on_new_credentials(kStart + 2s));
  EXPECT_EQ(search.paused_until(), kStart + 2s);
  EXPECT_TRUE(search.is_paused());
}

}  // namespace
}  // namespace penstock::delivery
