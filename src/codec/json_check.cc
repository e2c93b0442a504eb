#include "codec/json_check.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "codec/json_scan.h"
#include "codec/utf8.h"

namespace penstock::codec {
namespace {

inline bool is_digit(uint8_t byte) { return static_cast<uint8_t>(byte - '0') < 10; }
inline bool is_hex(uint8_t byte) {
  return is_digit(byte) || static_cast<uint8_t>((byte | 0x20) - 'a') < 6;
}

// For who does not want to know where containers end.
struct NoIndex {
  void open(const uint8_t*) {}
  void close(const uint8_t*) {}
};

// PERF: nothing is bounds-checked but the marks of strings: the zero at end_ fits no rule of the
// grammar, so every path stops there. 1 KB OpenShift records: see json_body_bench.
template <class Index>
class Checker {
 public:
  Checker(const uint8_t* at, const uint8_t* end, uint32_t nesting_max, Index& index)
      : end_(end), nesting_max_(nesting_max), specials_(at, end), index_(index) {}

  JsonChecked check(const uint8_t* at) {
    at = value(at);
    while (at != nullptr && depth_ > 0) at = in_object() ? next_member(at) : next_item(at);
    if (at == nullptr) return {fault_, bad_utf8_, fault_at_};
    return {JsonFault::none, bad_utf8_, at};
  }

 private:
  // Each returns where to go on, or nullptr after fail().
  const uint8_t* fail(const uint8_t* at, JsonFault fault = JsonFault::syntax) {
    fault_ = at >= end_ ? JsonFault::truncated : fault;
    fault_at_ = at;
    return nullptr;
  }
  bool in_object() const { return (kinds_ & 1) != 0; }

  static const uint8_t* skip_space(const uint8_t* at) {
    if (*at > ' ') [[likely]]
      return at;
    while (is_json_space(*at)) ++at;
    return at;
  }

  // A scalar whole, or the head of an array or object with its first item.
  const uint8_t* value(const uint8_t* at) {
    for (;;) {
      switch (*at) {
        case '"':
          return string(at + 1);
        case '{':
          if (!enter(at, 1)) return fail(at, JsonFault::too_deep);
          at = skip_space(at + 1);
          if (*at == '}') return leave(at + 1);
          at = key(at);
          if (at == nullptr) return nullptr;
          break;
        case '[':
          if (!enter(at, 0)) return fail(at, JsonFault::too_deep);
          at = skip_space(at + 1);
          if (*at == ']') return leave(at + 1);
          break;
        case 't':
          return word(at, "true");
        case 'f':
          return word(at, "false");
        case 'n':
          return word(at, "null");
        default:
          return number(at);
      }
    }
  }

  const uint8_t* next_member(const uint8_t* at) {
    at = skip_space(at);
    if (*at == ',') {
      at = key(skip_space(at + 1));
      return at == nullptr ? nullptr : value(at);
    }
    return *at == '}' ? leave(at + 1) : fail(at);
  }

  const uint8_t* next_item(const uint8_t* at) {
    at = skip_space(at);
    if (*at == ',') return value(skip_space(at + 1));
    return *at == ']' ? leave(at + 1) : fail(at);
  }

  // Returns the first byte of the member's value.
  const uint8_t* key(const uint8_t* at) {
    if (*at != '"') return fail(at);
    at = string(at + 1);
    if (at == nullptr) return nullptr;
    at = skip_space(at);
    if (*at != ':') return fail(at);
    return skip_space(at + 1);
  }

  bool enter(const uint8_t* at, uint64_t kind) {
    if (depth_ == nesting_max_) return false;
    index_.open(at);
    if (depth_ % 64 == 0 && depth_ > 0) [[unlikely]]
      outer_kinds_[depth_ / 64 - 1] = kinds_;
    ++depth_;
    kinds_ = kinds_ << 1 | kind;
    return true;
  }
  const uint8_t* leave(const uint8_t* at) {
    index_.close(at);
    --depth_;
    kinds_ >>= 1;
    if (depth_ % 64 == 0 && depth_ > 0) [[unlikely]]
      kinds_ = outer_kinds_[depth_ / 64 - 1];
    return at;
  }

  // at: behind the opening quote.
  const uint8_t* string(const uint8_t* at) {
    for (;;) {
      at = specials_.find(at);
      if (*at == '"') return at + 1;
      at = *at == '\\' ? escape(at + 1) : *at >= 0x80 ? not_ascii(at) : fail(at);
      if (at == nullptr) return nullptr;
    }
  }

  // at: behind the backslash.
  const uint8_t* escape(const uint8_t* at) {
    switch (*at) {
      case '"':
      case '\\':
      case '/':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't':
        return at + 1;
      case 'u':
        for (int i = 1; i <= 4; ++i) {
          if (!is_hex(at[i])) return fail(at + i);
        }
        return at + 5;
      default:
        return fail(at);
    }
  }

  const uint8_t* not_ascii(const uint8_t* at) {
    do {
      const Utf8Step step = utf8_step(at, end_);
      bad_utf8_ = bad_utf8_ || !step.valid;
      at += step.size;
    } while (*at >= 0x80);
    return at;
  }

  const uint8_t* word(const uint8_t* at, const char* letters) {
    for (; *letters != 0; ++letters, ++at) {
      if (*at != static_cast<uint8_t>(*letters)) return fail(at);
    }
    return at;
  }

  const uint8_t* digits(const uint8_t* at) {
    if (!is_digit(*at)) return fail(at);
    while (is_digit(*at)) ++at;
    return at;
  }

  const uint8_t* number(const uint8_t* at) {
    if (*at == '-') ++at;
    if (*at == '0') {
      ++at;
    } else if ((at = digits(at)) == nullptr) {
      return nullptr;
    }
    if (*at == '.' && (at = digits(at + 1)) == nullptr) return nullptr;
    if (*at == 'e' || *at == 'E') {
      ++at;
      if (*at == '+' || *at == '-') ++at;
      at = digits(at);
    }
    return at;
  }

  const uint8_t* const end_;
  const uint32_t nesting_max_;
  MarkedBytes<string_specials> specials_;
  Index& index_;
  uint32_t depth_ = 0;
  uint64_t kinds_ = 0;  // the lowest bit is the innermost container: 1 for an object
  uint64_t outer_kinds_[kCheckNestingMax / 64];  // of each 64 levels around it
  bool bad_utf8_ = false;
  JsonFault fault_ = JsonFault::none;
  const uint8_t* fault_at_ = nullptr;
};

}  // namespace

JsonChecked check_json(const uint8_t* at, const uint8_t* end, uint32_t nesting_max) {
  CHECK(nesting_max <= kCheckNestingMax);
  NoIndex index;
  return Checker<NoIndex>(at, end, nesting_max, index).check(at);
}

JsonChecked check_json(const uint8_t* at, const uint8_t* end, JsonIndex& index,
                       uint32_t nesting_max) {
  CHECK(nesting_max <= kCheckNestingMax);
  index.begin(at, end);
  const JsonChecked checked = Checker<JsonIndex>(at, end, nesting_max, index).check(at);
  if (checked.fault != JsonFault::none) index.forget();
  return checked;
}

void JsonIndex::begin(const uint8_t* at, const uint8_t* end) {
  begin_ = at;
  count_ = 0;
  open_ = kNone;
  const bool is_addressable = static_cast<size_t>(end - at) <= UINT32_MAX;
  count_max_ = is_addressable ? std::min<size_t>(capacity_, kNone) : 0;
  if (count_max_ > 0) containers_.reserve(count_max_ * sizeof(JsonContainer));
}

size_t repaired_utf8_size(ByteView text) {
  size_t size = text.size();
  const uint8_t* const end = text.data() + text.size();
  for (const uint8_t* at = text.data(); at != end;) {
    if (*at < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = utf8_step(at, end);
    if (!step.valid) size += kReplacement.size() - step.size;
    at += step.size;
  }
  return size;
}

void write_repaired_utf8(uint8_t* to, ByteView text) {
  const uint8_t* at = text.data();
  const uint8_t* const end = at + text.size();
  const uint8_t* clean = at;
  const auto write_clean = [&] {
    const auto size = static_cast<size_t>(at - clean);
    if (size > 0) std::memmove(to, clean, size);
    to += size;
  };
  while (at != end) {
    if (*at < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = utf8_step(at, end);
    if (!step.valid) {
      write_clean();
      std::memcpy(to, kReplacement.data(), kReplacement.size());
      to += kReplacement.size();
      clean = at + step.size;
    }
    at += step.size;
  }
  write_clean();
}

void append_repaired_utf8(ByteBuffer& out, ByteView text) {
  const size_t at = out.size();
  out.resize(at + repaired_utf8_size(text));
  write_repaired_utf8(out.data() + at, text);
}

}  // namespace penstock::codec
