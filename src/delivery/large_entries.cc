#include "delivery/large_entries.h"

#include <algorithm>
#include <utility>

namespace penstock::delivery {
namespace {

constexpr seconds kWithoutProgress{5};
constexpr milliseconds kLook{1000};
constexpr seconds kBarMin{30};
constexpr seconds kBarMax{480};

}  // namespace

void LargeEntries::accepted(uint64_t ticket) {
  if (watched_ == ticket) progress_ = alarm_.now();
  const bool is_of_others = barred_by_ != nullptr && is_for_main_ &&
                            (window_.is_given_back(ticket) || !window_.is_of(ticket, *barred_by_));
  if (is_of_others) return;
  barred_by_ = nullptr;
  bar_ = seconds(0);
}

// The large entry in the window is in the way of the main log's next one.
bool LargeEntries::main_waits() const {
  const auto large = window_.large();
  return large && main_.next_is_large() && !window_.is_of(*large, main_);
}

void LargeEntries::watch(bool is_under_way) {
  const SteadyTime now = alarm_.now();
  // With nothing under way there is no acceptance to wait for. What is under way may be rejected
  // for as long as this one is not read.
  if (barred_by_ != nullptr && ((!is_under_way && !is_for_main_) || now >= barred_until_)) {
    barred_by_ = nullptr;
    alarm_.by(now + kLook);
  }
  if (barred_by_ != nullptr) alarm_.by(barred_until_);
  if (window_.large() != watched_) {
    watched_ = window_.large();
    progress_ = now;
  }
  if (!watched_) return;
  alarm_.by(now + kLook);
  const bool is_for_main = main_waits();
  if (now - progress_ < kWithoutProgress) return;
  if (window_.is_being_stored(*watched_) && !sources_.copies_are_paid()) return;
  const spool::StreamLog& log = window_.log_of(*watched_);
  if (is_for_main && give_back(*watched_)) return bar(log, true);
  if (!main_.memory_is_awaited() || window_.is_let_go(*watched_)) return;
  if (!sources_.is_at(*watched_)) return window_.let_go(*watched_);
  if (give_back(*watched_)) bar(log, false);
}

void LargeEntries::bar(const spool::StreamLog& log, bool is_for_main) {
  barred_by_ = &log;
  is_for_main_ = is_for_main;
  bar_ = std::clamp(2 * bar_, kBarMin, kBarMax);
  barred_until_ = alarm_.now() + bar_;
  // The main log's is read at once.
  alarm_.by(is_for_main ? alarm_.now() : barred_until_);
}

bool LargeEntries::make_way() {
  if (!main_.next_is_large()) return true;
  if (barred_by_ != &main_) barred_by_ = nullptr;
  const auto large = window_.large();
  if (!large) return true;
  return !window_.is_of(*large, main_) && give_back(*large);
}

bool LargeEntries::give_back(uint64_t ticket) {
  if (window_.large() != ticket || window_.is_pinned(ticket)) return false;
  sources_.leave(ticket);
  splitters_.cancel_all_of(ticket);
  window_.give_back(ticket);
  make_up();
  return true;
}

bool LargeEntries::is_let_go(const RecordMetadata& meta) const {
  if (window_.is_abandoned(meta)) return false;
  bool any = false;
  window_.for_each_live(meta,
                        [&](const EventSpan& span) { any |= window_.is_let_go(span.ticket); });
  return any;
}

void LargeEntries::when_there(std::function<void()> work) {
  waiting_.push_back(std::move(work));
  want();
}

bool LargeEntries::may_move() {
  const auto large = window_.large();
  if (!large || !window_.is_of(*large, main_) || !window_.is_let_go(*large)) return true;
  want();
  return false;
}

void LargeEntries::want() {
  if (std::exchange(is_wanted_, true)) return;
  alarm_.by(alarm_.now());
}

void LargeEntries::take_wanted() {
  if (!is_wanted_) return;
  const auto large = window_.large();
  if (!large || !window_.is_let_go(*large)) return make_up();
  spool::StreamLog& log = window_.log_of(*large);
  spool::StreamLog::Reloaded reloaded = log.reload(window_.entry(*large).position);
  if (reloaded.is_lost) {
    window_.forget_lost(*large);
  } else if (reloaded.batch == nullptr) {
    return;
  } else {
    window_.restore(*large, std::move(reloaded.batch));
    progress_ = alarm_.now();
  }
  make_up();
}

void LargeEntries::make_up() {
  is_wanted_ = false;
  for (const auto& work : std::exchange(waiting_, {})) work();
}

}  // namespace penstock::delivery
