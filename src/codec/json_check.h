// check_json: is this one JSON value (RFC 8259)? One pass, no tree, no copy, no allocation; what it
// has passed may be stored as it stands and looked around in with json_scan.h.
//
// Taken as they are: numbers of any size and precision, repeated keys, escaped lone surrogates.
// Invalid UTF-8 inside a string is no error but noted (see append_repaired_utf8); elsewhere it is.
// Nesting is bounded, and not by the stack.
//
// Thread: any.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "codec/msgpack_cursor.h"

namespace penstock::codec {

enum class JsonFault : uint8_t {
  none,
  truncated,  // the text ends inside the value
  syntax,
  too_deep,
};

struct JsonChecked {
  JsonFault fault = JsonFault::none;
  bool bad_utf8 = false;  // some string holds bytes that are not UTF-8
  const uint8_t* end;     // behind the value, or where the fault is
};

// at: where the value begins (no space before it). What follows the value is not looked at.
// *end must be readable and 0: see terminate().
[[nodiscard]] JsonChecked check_json(const uint8_t* at, const uint8_t* end,
                                     uint32_t nesting_max = kNestingMax);
constexpr uint32_t kCheckNestingMax = 512;  // the most that nesting_max may be

// An array or object of checked text.
struct JsonContainer {
  uint32_t size;   // bytes, with its brackets
  uint32_t count;  // of containers from this one to its end, itself included
};

// Where the containers of a text end, in the order in which they begin: who reads only some of
// their members steps over the others at once. Filled by check_json.
class JsonIndex {
 public:
  // A text of more containers than that is checked without.
  explicit JsonIndex(size_t containers_max) : capacity_(containers_max) {}

  // The outermost container; null: there is no index.
  [[nodiscard]] const JsonContainer* first() const {
    return count_ > 0 && count_ <= count_max_ ? at(0) : nullptr;
  }

  // ---- for check_json ----

  void begin(const uint8_t* at, const uint8_t* end);
  void open(const uint8_t* at) {
    const size_t number = count_++;
    if (number >= count_max_) [[unlikely]]
      return;
    // Until it is closed: what it lies in, and where it begins.
    *this->at(number) = {open_, static_cast<uint32_t>(at - begin_)};
    open_ = static_cast<uint32_t>(number);
  }
  void close(const uint8_t* at) {
    if (count_ > count_max_) [[unlikely]]
      return;
    JsonContainer& container = *this->at(open_);
    const JsonContainer opened = container;
    container = {static_cast<uint32_t>(at - begin_) - opened.count,
                 static_cast<uint32_t>(count_) - open_};
    open_ = opened.size;
  }
  void forget() { count_ = 0; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  [[nodiscard]] JsonContainer* at(size_t number) {
    return reinterpret_cast<JsonContainer*>(containers_.data()) + number;
  }
  [[nodiscard]] const JsonContainer* at(size_t number) const {
    return reinterpret_cast<const JsonContainer*>(containers_.data()) + number;
  }

  const size_t capacity_;
  size_t count_max_ = 0;
  size_t count_ = 0;  // beyond count_max_: of a text with too many
  uint32_t open_ = kNone;
  const uint8_t* begin_ = nullptr;
  ByteBuffer containers_;
};

[[nodiscard]] JsonChecked check_json(const uint8_t* at, const uint8_t* end, JsonIndex& index,
                                     uint32_t nesting_max = kNestingMax);

// Puts the zero behind the buffer's bytes that check_json needs, without making it one of them.
inline void terminate(ByteBuffer& text) {
  text.reserve(1);
  text.data()[text.size()] = 0;  // behind the capacity there is padding
}

// Text with each maximal invalid part of UTF-8 replaced by one U+FFFD: how long that is, and the
// same written to `to`. That may lie in front of text's bytes if it lies so far in front of them as
// they grow.
[[nodiscard]] size_t repaired_utf8_size(ByteView text);
void write_repaired_utf8(uint8_t* to, ByteView text);
void append_repaired_utf8(ByteBuffer& out, ByteView text);

}  // namespace penstock::codec
