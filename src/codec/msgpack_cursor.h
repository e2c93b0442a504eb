// MsgpackCursor: reads msgpack forward over borrowed bytes. Never allocates, never recurses, never
// looks outside the view it was given. Format: github.com/msgpack/msgpack/blob/master/spec.md
//
//   next()   one token: a scalar whole, or the head of an array or map (its items follow)
//   skip()   one value with everything inside it
//
// MsgpackScanner: finds the end of one value whose bytes arrive bit by bit, without looking at any
// byte twice.
//
// Thread: none of their own; the bytes must outlive cursor and tokens.
#pragma once

#include <bit>
#include <cstdint>

#include "base/big_endian.h"
#include "base/bytes.h"
#include "base/result.h"

namespace penstock::codec {

// An array or map that stands alone has depth 1, one inside it 2, and so on.
constexpr uint32_t kNestingMax = 64;

enum class MsgpackError : uint8_t {
  truncated,    // the bytes end inside a value
  not_msgpack,  // 0xc1, the one byte no value starts with
  too_deep,     // nested deeper than kNestingMax
};

enum class MsgpackType : uint8_t {
  nil,
  boolean,
  unsigned_integer,  // also a non-negative value of the signed formats
  negative_integer,
  float32,
  float64,
  str,
  bin,
  array,
  map,
  ext,
};

struct MsgpackToken {
  MsgpackType type = MsgpackType::nil;
  int8_t ext_type = 0;
  uint32_t count = 0;  // items of an array, pairs of a map
  union {
    uint64_t unsigned_integer = 0;
    int64_t negative_integer;
    bool boolean;
    float float32;
    double float64;
  };
  ByteView bytes;  // of str, bin, ext

  [[nodiscard]] bool is_text() const {
    return type == MsgpackType::str || type == MsgpackType::bin;
  }
};

class MsgpackCursor {
 public:
  explicit MsgpackCursor(ByteView bytes)
      : start_(bytes.data()), at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool at_end() const { return at_ == end_; }
  [[nodiscard]] size_t position() const { return static_cast<size_t>(at_ - start_); }
  [[nodiscard]] ByteView rest() const { return {at_, static_cast<size_t>(end_ - at_)}; }

  // False: error() says why, and the cursor stands where it stood.
  [[nodiscard]] bool next(MsgpackToken& token);
  [[nodiscard]] MsgpackError error() const { return error_; }

  // Steps over one value and gives its bytes. levels_around: how deep it stands already.
  [[nodiscard]] Result<ByteView, MsgpackError> skip(uint32_t levels_around = 0);

 private:
  [[nodiscard]] size_t left() const { return static_cast<size_t>(end_ - at_); }
  bool fail(MsgpackError error) {
    error_ = error;
    return false;
  }
  bool take_bytes(MsgpackToken& token, MsgpackType type, size_t head, size_t size);
  template <class T>
  bool take_length(MsgpackToken& token, MsgpackType type, size_t head_extra = 0);
  template <class T>
  bool take_count(MsgpackToken& token, MsgpackType type);
  template <class T>
  bool take_unsigned(MsgpackToken& token);
  template <class T>
  bool take_signed(MsgpackToken& token);
  bool take_other(MsgpackToken& token, uint8_t first);

  const uint8_t* start_;
  const uint8_t* at_;
  const uint8_t* end_;
  MsgpackError error_ = MsgpackError::truncated;
};

namespace detail {

// What is still to come of a value: `left` values on this level, pending[i] on those around it.
struct ScanStack {
  uint64_t left = 1;
  uint32_t depth = 0;
  // What is deeper: an error, or (folds) counted as if it stood on the deepest level, which finds
  // the end of the value all the same.
  bool folds = false;
  uint64_t pending[kNestingMax];  // NOLINT: set before it is read, and hot
};

enum class ScanEnd : uint8_t { done, need_bytes, not_msgpack, too_deep };

// Moves `at` over whole tokens until the value ends or [at, end) does. On need_bytes, `needed` is
// how many bytes must stand behind `at` before the next token can be taken.
ScanEnd scan(ScanStack& stack, const uint8_t*& at, const uint8_t* end, uint64_t& needed);

}  // namespace detail

class MsgpackScanner {
 public:
  enum class State : uint8_t { done, need_bytes, failed };

  // Of what is nested deeper than kNestingMax: that is an error, or its end is found all the same.
  enum class TooDeep : uint8_t { fails, is_passed };

  MsgpackScanner() { restart(TooDeep::fails); }
  void restart(TooDeep too_deep);

  // bytes: all that has arrived since the value's first byte (the same bytes as last time, perhaps
  // at another address, and more behind them).
  [[nodiscard]] State scan(ByteView bytes);

  // Bytes passed so far: the size of the value once it is done.
  [[nodiscard]] uint64_t position() const { return position_; }
  // While bytes are needed: how many, counted from the value's first byte, before scan() can get
  // further. At most 4 GiB + 6 beyond position().
  [[nodiscard]] uint64_t needed() const { return needed_; }
  // Values that are still to come, each at least one byte: never more than the message can hold.
  [[nodiscard]] uint64_t values_pending() const;
  [[nodiscard]] MsgpackError error() const { return error_; }

 private:
  detail::ScanStack stack_;
  uint64_t position_ = 0;
  uint64_t needed_ = 1;
  MsgpackError error_ = MsgpackError::not_msgpack;
};

// ---- inline: the token reader is in the encoder's hot loop ----

inline bool MsgpackCursor::take_bytes(MsgpackToken& token, MsgpackType type, size_t head,
                                      size_t size) {
  if (left() - head < size) return fail(MsgpackError::truncated);
  token.type = type;
  token.bytes = {at_ + head, size};
  at_ += head + size;
  return true;
}

template <class T>
inline bool MsgpackCursor::take_length(MsgpackToken& token, MsgpackType type, size_t head_extra) {
  const size_t head = 1 + sizeof(T) + head_extra;
  if (left() < head) return fail(MsgpackError::truncated);
  const size_t size = load_be<T>(at_ + 1);
  if (type == MsgpackType::ext) token.ext_type = static_cast<int8_t>(at_[1 + sizeof(T)]);
  return take_bytes(token, type, head, size);
}

template <class T>
inline bool MsgpackCursor::take_count(MsgpackToken& token, MsgpackType type) {
  if (left() < 1 + sizeof(T)) return fail(MsgpackError::truncated);
  const uint32_t count = load_be<T>(at_ + 1);
  // Each item is at least one byte: a count that cannot be true is refused here.
  const uint64_t bytes_min = type == MsgpackType::map ? uint64_t{count} * 2 : count;
  if (left() - 1 - sizeof(T) < bytes_min) return fail(MsgpackError::truncated);
  token.type = type;
  token.count = count;
  at_ += 1 + sizeof(T);
  return true;
}

template <class T>
inline bool MsgpackCursor::take_unsigned(MsgpackToken& token) {
  if (left() < 1 + sizeof(T)) return fail(MsgpackError::truncated);
  token.type = MsgpackType::unsigned_integer;
  token.unsigned_integer = load_be<T>(at_ + 1);
  at_ += 1 + sizeof(T);
  return true;
}

template <class T>
inline bool MsgpackCursor::take_signed(MsgpackToken& token) {
  using Signed = std::make_signed_t<T>;
  if (left() < 1 + sizeof(T)) return fail(MsgpackError::truncated);
  const auto value = static_cast<Signed>(load_be<T>(at_ + 1));
  if (value < 0) {
    token.type = MsgpackType::negative_integer;
    token.negative_integer = value;
  } else {
    token.type = MsgpackType::unsigned_integer;
    token.unsigned_integer = static_cast<uint64_t>(value);
  }
  at_ += 1 + sizeof(T);
  return true;
}

inline bool MsgpackCursor::take_other(MsgpackToken& token, uint8_t first) {
  switch (first) {
    case 0xc0:
      token.type = MsgpackType::nil;
      ++at_;
      return true;
    case 0xc1:
      return fail(MsgpackError::not_msgpack);
    case 0xc2:
    case 0xc3:
      token.type = MsgpackType::boolean;
      token.boolean = first == 0xc3;
      ++at_;
      return true;
    case 0xc4:
      return take_length<uint8_t>(token, MsgpackType::bin);
    case 0xc5:
      return take_length<uint16_t>(token, MsgpackType::bin);
    case 0xc6:
      return take_length<uint32_t>(token, MsgpackType::bin);
    case 0xc7:
      return take_length<uint8_t>(token, MsgpackType::ext, 1);
    case 0xc8:
      return take_length<uint16_t>(token, MsgpackType::ext, 1);
    case 0xc9:
      return take_length<uint32_t>(token, MsgpackType::ext, 1);
    case 0xca:
      if (left() < 5) return fail(MsgpackError::truncated);
      token.type = MsgpackType::float32;
      token.float32 = std::bit_cast<float>(load_be<uint32_t>(at_ + 1));
      at_ += 5;
      return true;
    case 0xcb:
      if (left() < 9) return fail(MsgpackError::truncated);
      token.type = MsgpackType::float64;
      token.float64 = std::bit_cast<double>(load_be<uint64_t>(at_ + 1));
      at_ += 9;
      return true;
    case 0xcc:
      return take_unsigned<uint8_t>(token);
    case 0xcd:
      return take_unsigned<uint16_t>(token);
    case 0xce:
      return take_unsigned<uint32_t>(token);
    case 0xcf:
      return take_unsigned<uint64_t>(token);
    case 0xd0:
      return take_signed<uint8_t>(token);
    case 0xd1:
      return take_signed<uint16_t>(token);
    case 0xd2:
      return take_signed<uint32_t>(token);
    case 0xd3:
      return take_signed<uint64_t>(token);
    case 0xd9:
      return take_length<uint8_t>(token, MsgpackType::str);
    case 0xda:
      return take_length<uint16_t>(token, MsgpackType::str);
    case 0xdb:
      return take_length<uint32_t>(token, MsgpackType::str);
    case 0xdc:
      return take_count<uint16_t>(token, MsgpackType::array);
    case 0xdd:
      return take_count<uint32_t>(token, MsgpackType::array);
    case 0xde:
      return take_count<uint16_t>(token, MsgpackType::map);
    case 0xdf:
      return take_count<uint32_t>(token, MsgpackType::map);
    default:  // 0xd4…0xd8: fixext 1, 2, 4, 8, 16
      if (left() < 2) return fail(MsgpackError::truncated);
      token.ext_type = static_cast<int8_t>(at_[1]);
      return take_bytes(token, MsgpackType::ext, 2, size_t{1} << (first - 0xd4));
  }
}

inline bool MsgpackCursor::next(MsgpackToken& token) {
  if (at_ == end_) return fail(MsgpackError::truncated);
  const uint8_t first = *at_;
  if (first >= 0xa0 && first <= 0xbf) {  // fixstr first: every key of a record
    return take_bytes(token, MsgpackType::str, 1, first & 0x1fu);
  }
  if (first < 0x80) {
    token.type = MsgpackType::unsigned_integer;
    token.unsigned_integer = first;
    ++at_;
    return true;
  }
  if (first >= 0xe0) {
    token.type = MsgpackType::negative_integer;
    token.negative_integer = static_cast<int8_t>(first);
    ++at_;
    return true;
  }
  if (first < 0xa0) {  // fixmap 0x80, fixarray 0x90
    const bool is_map = first < 0x90;
    const uint32_t count = first & 0x0fu;
    if (left() - 1 < (is_map ? count * 2 : count)) return fail(MsgpackError::truncated);
    token.type = is_map ? MsgpackType::map : MsgpackType::array;
    token.count = count;
    ++at_;
    return true;
  }
  return take_other(token, first);
}

}  // namespace penstock::codec
