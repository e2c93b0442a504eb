// Admission: who gets into the spool, and when. An append waits whole until every stream it has a
// part for has room; the others go on. A message sent again is recognised here.
//
// Thread: submit() on any, without the state's lock; the others with it held.
#pragma once

#include "spool/spool_state.h"

namespace penstock::spool {

// An append comes in.
std::shared_ptr<AppendHandle::State> submit(SpoolState& state, Append append, AckMode ack);

// One pass over those who wait, first come first served for each stream.
void admit_waiting(SpoolState& state, Calls& calls);
// An append that waits has a part for this log.
[[nodiscard]] bool append_waits_for(SpoolState& state, const StreamQueue& queue);
void forget_cancelled(SpoolState& state);

// The spool closes: appends that wait for room are over.
void close_waiting(SpoolState& state, Calls& calls);
// So are overflow entries and dead letters that could not be stored.
void close_unstored(SpoolState& state, Calls& calls);

// What has nowhere to go is counted by the caller and logged, rate-limited, here.
void log_dropped(std::string_view stream, std::string_view reason, std::string_view detail,
                 uint64_t events);

// Overflow entries that wait for room in their stream's share.
void admit_overflow(SpoolState& state, Calls& calls);

// Dead letters from delivery: they wait until there is room for them.
void admit_letters(SpoolState& state, Calls& calls);

}  // namespace penstock::spool
