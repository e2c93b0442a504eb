#include "route/field_path.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "codec/json_scan.h"
#include "codec/msgpack_cursor.h"

namespace penstock::route {

using codec::MsgpackCursor;
using codec::MsgpackToken;
using codec::MsgpackType;
using record::Encoding;
using Kind = FieldValue::Kind;

namespace {

uint64_t size_bit(size_t size) { return uint64_t{1} << std::min<size_t>(size, 63); }

template <class Number>
std::string_view print(Number number, std::string& scratch) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  scratch.assign(digits, end);
  return scratch;
}

std::optional<std::string_view> packed_text(std::string_view token_bytes, std::string& scratch) {
  MsgpackToken token;
  MsgpackCursor cursor(as_bytes(token_bytes));
  if (!cursor.next(token)) return std::nullopt;
  switch (token.type) {
    case MsgpackType::unsigned_integer:
      return print(token.unsigned_integer, scratch);
    case MsgpackType::negative_integer:
      return print(token.negative_integer, scratch);
    case MsgpackType::float32:
      return print(token.float32, scratch);
    case MsgpackType::float64:
      return print(token.float64, scratch);
    case MsgpackType::boolean:
      return token.boolean ? "true" : "false";
    default:
      return std::nullopt;
  }
}

Kind kind_of(MsgpackType type) {
  switch (type) {
    case MsgpackType::str:
    case MsgpackType::bin:
      return Kind::text;
    case MsgpackType::unsigned_integer:
    case MsgpackType::negative_integer:
    case MsgpackType::float32:
    case MsgpackType::float64:
      return Kind::number;
    case MsgpackType::boolean:
      return Kind::boolean;
    case MsgpackType::nil:
      return Kind::null;
    case MsgpackType::map:
      return Kind::object;
    case MsgpackType::array:
      return Kind::array;
    case MsgpackType::ext:
      break;
  }
  return Kind::other;
}

}  // namespace

std::optional<std::string_view> FieldValue::text(std::string& scratch) const {
  switch (kind) {
    case Kind::text:
      return escaped ? codec::unescape_json(raw, scratch) : raw;
    case Kind::number:
    case Kind::boolean:
      return is_packed ? packed_text(raw, scratch) : raw;
    default:
      return std::nullopt;
  }
}

FieldSet::FieldSet(std::span<const Wanted> wanted) : size_(wanted.size()) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto same = std::find_if(wanted.begin(), wanted.begin() + static_cast<ptrdiff_t>(i),
                                   [&](const Wanted& w) { return w.path == wanted[i].path; });
    const auto first = static_cast<size_t>(same - wanted.begin());
    same_as_.push_back(static_cast<int32_t>(first));
    const bool required = std::any_of(wanted.begin(), wanted.end(), [&](const Wanted& w) {
      return w.required && w.path == wanted[i].path;
    });
    if (first != i || wanted[i].path.empty()) continue;
    if (required) ++required_;
    insert(root_, wanted[i].path, static_cast<int32_t>(i), required);
  }
}

void FieldSet::insert(Node& node, std::span<const std::string> path, int32_t slot, bool required) {
  if (path.empty()) {
    node.slot = slot;
    node.required = required;
    return;
  }
  auto child = std::find_if(node.children.begin(), node.children.end(),
                            [&](const Node& n) { return n.key == path.front(); });
  if (child == node.children.end()) {
    node.sizes |= size_bit(path.front().size());
    node.children.emplace_back().key = path.front();
    child = node.children.end() - 1;
  }
  insert(*child, path.subspan(1), slot, required);
}

// One pass over one record. Recursion is as deep as the longest path, never as the record.
class FieldSearch {
 public:
  FieldSearch(const FieldSet& set, std::span<FieldValue> found)
      : found_(found), left_(set.required_) {}

  // at: behind the opening brace. Returns behind the closing one, or nullptr: all are found.
  const uint8_t* json_object(const FieldSet::Node& node, const uint8_t* at, const uint8_t* end);
  void json(const FieldSet::Node& node, const uint8_t* at, const uint8_t* end) {
    codec::Quotes quotes(at, end);
    quotes_ = &quotes;
    json_object(node, at, end);
  }
  // False: all are found (or the map is not whole).
  bool msgpack_map(const FieldSet::Node& node, MsgpackCursor& cursor, uint32_t pairs);

 private:
  using Node = FieldSet::Node;

  static const Node* child_of(const Node& node, std::string_view key) {
    if ((node.sizes & size_bit(key.size())) == 0) return nullptr;
    for (const Node& child : node.children) {
      if (child.key == key) return &child;
    }
    return nullptr;
  }

  const uint8_t* json_value(const Node& node, const uint8_t* at, const uint8_t* end);

  // Returns true when nothing more has to be found.
  bool store(const Node& node, const FieldValue& value) {
    if (node.slot == FieldSet::kNone) return false;
    FieldValue& slot = found_[static_cast<size_t>(node.slot)];
    if (slot.kind != Kind::absent) return false;
    slot = value;
    return node.required && --left_ == 0;
  }

  std::span<FieldValue> found_;
  codec::Quotes* quotes_ = nullptr;
  uint32_t left_;
  std::string scratch_;
};

const uint8_t* FieldSearch::json_value(const Node& node, const uint8_t* at, const uint8_t* end) {
  FieldValue value;
  const uint8_t* behind = nullptr;
  switch (*at) {
    case '"': {
      const uint8_t* const close = codec::find_string_end(*quotes_, at + 1, end, value.escaped);
      value.kind = Kind::text;
      value.raw = as_text({at + 1, static_cast<size_t>(close - at - 1)});
      behind = close == end ? end : close + 1;
      break;
    }
    case '{':
      value.kind = Kind::object;
      if (store(node, value)) return nullptr;
      if (!node.children.empty()) return json_object(node, at + 1, end);
      return codec::skip_json_value(*quotes_, at, end);
    case '[':
      value.kind = Kind::array;
      behind = codec::skip_json_value(*quotes_, at, end);
      break;
    default:
      behind = codec::skip_json_value(*quotes_, at, end);
      value.kind = *at == 'n'                 ? Kind::null
                   : *at == 't' || *at == 'f' ? Kind::boolean
                                              : Kind::number;
      value.raw = as_text({at, static_cast<size_t>(behind - at)});
  }
  return store(node, value) ? nullptr : behind;
}

const uint8_t* FieldSearch::json_object(const Node& node, const uint8_t* at, const uint8_t* end) {
  for (;;) {
    at = codec::skip_json_space(at, end);
    if (at != end && *at == ',') at = codec::skip_json_space(at + 1, end);
    if (at == end || *at != '"') return at == end ? end : at + 1;  // the closing brace
    bool escaped = false;
    const uint8_t* const close = codec::find_string_end(*quotes_, at + 1, end, escaped);
    if (close == end) return end;
    std::string_view key = as_text({at + 1, static_cast<size_t>(close - at - 1)});
    if (escaped) key = codec::unescape_json(key, scratch_);
    const Node* const child = child_of(node, key);
    at = codec::skip_json_space(close + 1, end);
    if (at == end || *at != ':') return end;
    at = codec::skip_json_space(at + 1, end);
    if (at == end) return end;
    at = child == nullptr ? codec::skip_json_value(*quotes_, at, end) : json_value(*child, at, end);
    if (at == nullptr) return nullptr;
  }
}

bool FieldSearch::msgpack_map(const Node& node, MsgpackCursor& cursor, uint32_t pairs) {
  MsgpackToken token;
  for (; pairs > 0; --pairs) {
    MsgpackCursor key = cursor;
    const Node* child = nullptr;
    if (!cursor.next(token)) return false;
    if (token.is_text()) {
      child = child_of(node, as_text(token.bytes));
    } else {
      cursor = key;
      if (!cursor.skip()) return false;
    }
    if (child == nullptr) {
      if (!cursor.skip()) return false;
      continue;
    }
    MsgpackCursor start = cursor;
    if (!cursor.next(token)) return false;
    FieldValue value;
    value.kind = kind_of(token.type);
    value.is_packed = value.kind == Kind::number || value.kind == Kind::boolean;
    value.raw = value.kind == Kind::text
                    ? as_text(token.bytes)
                    : as_text(start.rest().first(cursor.position() - start.position()));
    if (store(*child, value)) return false;
    if (value.kind == Kind::object && !child->children.empty()) {
      if (!msgpack_map(*child, cursor, token.count)) return false;
    } else if (value.kind == Kind::object || value.kind == Kind::array) {
      cursor = start;
      if (!cursor.skip()) return false;
    }
  }
  return true;
}

void FieldSet::find(ByteView record, Encoding encoding, std::span<FieldValue> found) const {
  CHECK(found.size() == size_);
  std::fill(found.begin(), found.end(), FieldValue{});
  FieldSearch search(*this, found);
  if (encoding == Encoding::json) {
    const uint8_t* const end = record.data() + record.size();
    const uint8_t* at = codec::skip_json_space(record.data(), end);
    if (at != end && *at == '{') search.json(root_, at + 1, end);
  } else {
    MsgpackCursor cursor(record);
    MsgpackToken token;
    if (cursor.next(token) && token.type == MsgpackType::map) {
      search.msgpack_map(root_, cursor, token.count);
    }
  }
  for (size_t i = 0; i < size_; ++i) {
    if (same_as_[i] != static_cast<int32_t>(i)) found[i] = found[static_cast<size_t>(same_as_[i])];
  }
}

}  // namespace penstock::route
