// Load and store fixed-width integers, big- and little-endian, at any alignment.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace penstock {

static_assert(std::endian::native == std::endian::little,
              "penstock supports little-endian machines");

namespace detail {
constexpr uint8_t swap(uint8_t v) { return v; }
constexpr uint16_t swap(uint16_t v) { return __builtin_bswap16(v); }
constexpr uint32_t swap(uint32_t v) { return __builtin_bswap32(v); }
constexpr uint64_t swap(uint64_t v) { return __builtin_bswap64(v); }
}  // namespace detail

template <class T>
[[nodiscard]] inline T load_be(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return detail::swap(value);
}
template <class T>
inline void store_be(uint8_t* to, T value) {
  value = detail::swap(value);
  std::memcpy(to, &value, sizeof value);
}
template <class T>
[[nodiscard]] inline T load_le(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
inline void store_le(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace penstock
