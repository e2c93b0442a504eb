#include "net/hang_up_probe.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

namespace penstock::net {

// What of `events` there is; errors are always looked for.
int HangUpProbe::look(short events) const {
  const std::lock_guard lock(mutex_);
  if (descriptor_ < 0) return POLLERR;
  pollfd watched{descriptor_, events, 0};
  return ::poll(&watched, 1, 0) < 0 ? POLLERR : watched.revents;
}

bool HangUpProbe::has_hung_up() const {
  return (look(POLLRDHUP) & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool HangUpProbe::is_broken() const { return (look(0) & (POLLHUP | POLLERR)) != 0; }

bool HangUpProbe::has_unconfirmed() const {
  const std::lock_guard lock(mutex_);
  int bytes = 0;
  return descriptor_ >= 0 && ::ioctl(descriptor_, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

void HangUpProbe::forget() {
  const std::lock_guard lock(mutex_);
  descriptor_ = -1;
}

}  // namespace penstock::net
