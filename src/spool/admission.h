// Admission: who gets into the spool, and when. An append waits whole until every stream it has a
// part for has room; the others go on. A message sent again is recognised here.
//
// Thread: all of these with the state's lock held.
#pragma once

#include "spool/spool_state.h"

namespace penstock::spool {

// One pass over those who wait, first come first served for each stream.
void admit_waiting(SpoolState& state, Calls& calls);
// An append that waits has a part for this log.
[[nodiscard]] bool append_waits_for(SpoolState& state, const StreamQueue& queue);
void forget_cancelled(SpoolState& state);

// Dead letters from delivery: they wait until there is room for them.
void admit_letters(SpoolState& state, Calls& calls);

}  // namespace penstock::spool
