// CborReader: a forward-only reader of CBOR (RFC 8949) over borrowed bytes, for answers of the
// service. Definite and indefinite lengths, chunked strings, tags (skipped), any width. Allocates
// only to join a chunked string; bounded in depth; every length is checked against what is there.
//
// After any call has returned false the reader is spent.
//
// Thread: none of its own. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace penstock::kinesis {

class CborReader {
 public:
  enum class Kind : uint8_t { number, negative, bytes, text, array, map, real, simple, none };

  explicit CborReader(ByteView bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // What comes next, tags aside; none at the end or when it is not CBOR.
  [[nodiscard]] Kind peek();
  [[nodiscard]] bool at_end() const { return at_ == end_; }

  // Each takes one item. False: it is something else, or cut short.
  [[nodiscard]] bool read_text(std::string_view& text);  // borrowed until the next read
  [[nodiscard]] bool read_bytes(ByteView& bytes);        // likewise
  [[nodiscard]] bool read_number(uint64_t& value);       // not negative
  [[nodiscard]] bool skip();                             // anything, nested at most 64 deep

  // A container: enter, then more() before each element (of a map: before each key); false from
  // more() ends it, ok() tells whether it ended well.
  class Elements {
   public:
    [[nodiscard]] bool more();

   private:
    friend class CborReader;
    CborReader* reader_ = nullptr;
    uint64_t left_ = 0;
    bool indefinite_ = false;
  };
  [[nodiscard]] bool enter_array(Elements& elements) { return enter(kArray, elements); }
  [[nodiscard]] bool enter_map(Elements& elements) { return enter(kMap, elements); }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  static constexpr uint8_t kBytes = 2, kText = 3, kArray = 4, kMap = 5, kTag = 6, kSimple = 7;
  struct Head {
    uint8_t major = 0;
    uint8_t info = 0;
    uint64_t value = 0;
    bool indefinite = false;
  };
  [[nodiscard]] bool read_head(Head& head);
  [[nodiscard]] bool skip_tags();
  [[nodiscard]] bool enter(uint8_t major, Elements& elements);
  [[nodiscard]] bool read_string(uint8_t major, ByteView& bytes);
  [[nodiscard]] bool skip_nested(int depth);
  bool fail() {
    ok_ = false;
    at_ = end_;
    return false;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  bool ok_ = true;
  std::string joined_;  // of a chunked string
};

}  // namespace penstock::kinesis
