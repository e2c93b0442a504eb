// Views and buffers of bytes, and sizes written as people write them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace penstock {

using ByteView = std::span<const uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr size_t operator""_KiB(unsigned long long n) { return static_cast<size_t>(n) << 10; }
constexpr size_t operator""_MiB(unsigned long long n) { return static_cast<size_t>(n) << 20; }
constexpr size_t operator""_GiB(unsigned long long n) { return static_cast<size_t>(n) << 30; }

// A growable, move-only, uninitialised byte array: std::vector<uint8_t> would zero each byte before
// it is read into, which for a 1 MiB message costs as much as receiving it.
// Every buffer has kPadding readable (not meaningful) bytes behind capacity(), for parsers that
// load whole words (simdjson, SSE loops).
class ByteBuffer {
 public:
  static constexpr size_t kPadding = 64;

  ByteBuffer() = default;
  explicit ByteBuffer(size_t capacity) { reserve(capacity); }
  ByteBuffer(ByteBuffer&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    if (this != &other) {
      std::free(bytes_);
      bytes_ = std::exchange(other.bytes_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;
  ~ByteBuffer() { std::free(bytes_); }

  static ByteBuffer copy_of(ByteView bytes) {
    ByteBuffer buffer(bytes.size());
    buffer.append(bytes);
    return buffer;
  }

  uint8_t* data() { return bytes_; }
  const uint8_t* data() const { return bytes_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  ByteView view() const { return {bytes_, size_}; }

  // Grows to at least capacity bytes, exactly: the caller accounts for what it asked for.
  void reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    void* grown = std::realloc(bytes_, capacity + kPadding);
    CHECK(grown != nullptr);
    bytes_ = static_cast<uint8_t*>(grown);
    std::memset(bytes_ + capacity, 0, kPadding);
    capacity_ = capacity;
  }
  // Bytes between the old and the new size are uninitialised.
  void resize(size_t size) {
    if (size > capacity_) reserve(size > capacity_ * 2 ? size : capacity_ * 2);
    size_ = size;
  }
  void append(ByteView bytes) {
    if (bytes.empty()) return;
    const size_t old_size = size_;
    resize(old_size + bytes.size());
    std::memcpy(bytes_ + old_size, bytes.data(), bytes.size());
  }
  void append(std::string_view text) { append(as_bytes(text)); }
  void push_back(uint8_t byte) {
    resize(size_ + 1);
    bytes_[size_ - 1] = byte;
  }
  std::span<uint8_t> free_space() { return {bytes_ + size_, capacity_ - size_}; }
  // Takes n bytes of free_space() as written.
  void commit(size_t n) {
    CHECK(n <= capacity_ - size_);
    size_ += n;
  }
  void clear() { size_ = 0; }
  // Removes the first n bytes by moving the rest down.
  void consume(size_t n) {
    CHECK(n <= size_);
    if (n == 0) return;  // a buffer that never held anything has no bytes to move, and no address
    std::memmove(bytes_, bytes_ + n, size_ - n);
    size_ -= n;
  }
  // Gives the memory back.
  void release() { *this = ByteBuffer(); }
  // Nobody will look at these bytes again: whole pages of them go back to the system at once, while
  // the rest stays where it is. Their values are undefined until they are written.
  void discard(size_t begin, size_t end);

 private:
  uint8_t* bytes_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace penstock
