// Where an entry stands in its log. Ordered; meaningless across logs.
#pragma once

#include <compare>
#include <cstdint>

namespace penstock::spool {

struct Position {
  uint64_t segment = 0;
  uint32_t offset = 0;
  auto operator<=>(const Position&) const = default;
};

}  // namespace penstock::spool
