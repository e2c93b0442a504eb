#include "record/ledger.h"

#include <gtest/gtest.h>

#include <array>

namespace penstock::record {
namespace {

template <class Map>
uint64_t sum(const Map& counts) {
  uint64_t all = 0;
  for (const auto& [label, count] : counts) all += count;
  return all;
}

TEST(Ledger, EveryExitKeepsTheBalance) {
  Ledger ledger;
  const std::array parts{Ledger::Admitted{"audit", 10}, Ledger::Admitted{"", 3}};
  ledger.receive("forward", parts);
  ledger.deliver("audit", 4);
  ledger.dead_letter("audit", "refused", 1);
  ledger.dead_letter("", "no_route", 2);
  ledger.drop("", "own_logs", 1);
  ledger.duplicate("audit", "forward", 2);

  const Ledger::Snapshot counts = ledger.snapshot();
  EXPECT_EQ(counts.pending.at("audit"), 3u);
  EXPECT_EQ(sum(counts.received), sum(counts.delivered) + sum(counts.dead_lettered) +
                                      sum(counts.dropped) + sum(counts.duplicate) +
                                      sum(counts.pending));
}

}  // namespace
}  // namespace penstock::record
