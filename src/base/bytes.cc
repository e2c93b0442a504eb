#include "base/bytes.h"

#include <sys/mman.h>
#include <unistd.h>

namespace penstock {

void ByteBuffer::discard(size_t begin, size_t end) {
  CHECK(begin <= end && end <= capacity_);
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t base = reinterpret_cast<uintptr_t>(bytes_);
  const uintptr_t first = (base + begin + page - 1) / page * page;
  const uintptr_t last = (base + end) / page * page;
  // Advisory: where it fails the memory is held a little longer.
  if (first < last) (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace penstock
