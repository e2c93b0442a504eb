#include "delivery/refusal_search.h"

#include <algorithm>
#include <utility>

namespace penstock::delivery {
namespace {

// So many more records rejected alone, and none accepted since the search began: perhaps it is the
// stream. The search pauses before it goes on.
constexpr size_t kSuspectsBetweenPauses = 16;

}  // namespace

RefusalSearch::Action RefusalSearch::on_rejected(const Rejected& rejected, SteadyTime now) {
  if (!rejected.is_probe && !rejected.probes_open && suspects_ == 0) began_ = now;
  if (rejected.records > 1) return Action::halve;
  const SteadyTime since = std::min(began_, rejected.set_aside.value_or(began_));
  if (last_accepted_ > since) return Action::reject_record;
  ++suspects_;
  const bool goes_on = rejected.probes_open || rejected.requests_open;
  if (goes_on && suspects_ % kSuspectsBetweenPauses != 0) return Action::suspect;
  wants_others_ = true;
  return Action::pause_stream;
}

void RefusalSearch::others_tried(SteadyTime now) {
  wants_others_ = others_awaited_ = awaited_in_vain_ = false;
  began_ = std::min(began_, now);
}

bool RefusalSearch::on_accepted(SteadyTime now) {
  last_accepted_ = now;
  return suspects_ > 0 && last_accepted_ > began_;
}

void RefusalSearch::pause(std::string reason, bool for_credentials, milliseconds wait,
                          SteadyTime now) {
  paused_until_ = now + wait;
  reason_ = std::move(reason);
  for_credentials_ = for_credentials;
  if (wants_others_) began_ = paused_until_;
  awaited_in_vain_ = others_awaited_;
}

std::string RefusalSearch::on_answered() { return std::exchange(reason_, {}); }

bool RefusalSearch::on_new_credentials(SteadyTime now) {
  if (!is_paused() || !for_credentials_) return false;
  paused_until_ = std::min(paused_until_, now);
  return true;
}

}  // namespace penstock::delivery
