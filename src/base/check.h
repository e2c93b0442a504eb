// CHECK(condition): on in release builds too; a failed one is a bug of ours and stops the process.
// Never CHECK what a peer, a disk or a service can cause.
#pragma once

namespace penstock {
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;
}  // namespace penstock

#define CHECK(condition)                                        \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::penstock::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
