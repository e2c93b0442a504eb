// drain(): the orderly end, after SIGTERM or SIGINT.
//
//   not ready at once; accepts for 5 s more; closes the listeners; reads on while there are
//   connections, at most until half of drain_timeout (senders without acks have already forgotten
//   what they wrote); half-closes each at a message boundary; syncs and acks what was received;
//   delivers what fits into the time left. A second signal, or SIGINT, skips the waits.
//
// Returns the exit code: 0, or 1 when events are left over that no directory keeps.
// Thread: the main thread.
#pragma once

#include "daemon/daemon.h"
#include "daemon/signals.h"

namespace penstock::daemon {

[[nodiscard]] int drain(Daemon& daemon, const Signals& signals, bool hurry);

}  // namespace penstock::daemon
