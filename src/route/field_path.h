// FieldPath, FieldSet: several fields of a record found in one pass over it, in both encodings.
//
// A path names one key after the other, from the record's top level down; a key may hold dots.
// Keys are compared byte by byte, in JSON after undoing escapes. Of a repeated key the first
// counts. Arrays are never looked into.
//
// A FieldSet is immutable; thread: any. find() allocates only for keys with escapes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "record/batch.h"

namespace penstock::route {

using FieldPath = std::vector<std::string>;  // {"kubernetes", "labels", "app.kubernetes.io/name"}

struct FieldValue {
  enum class Kind : uint8_t { absent, text, number, boolean, null, object, array, other };

  Kind kind = Kind::absent;
  bool escaped = false;    // text of JSON with escapes in it
  bool is_packed = false;  // number or boolean of msgpack: raw is its token
  std::string_view raw;    // into the record; text without its quotes

  // Text, numbers and booleans as text; undone and formatted into scratch where need be.
  [[nodiscard]] std::optional<std::string_view> text(std::string& scratch) const;
};

class FieldSet {
 public:
  struct Wanted {
    FieldPath path;  // empty: never found
    // find() stops as soon as all required ones are found; others are a by-product until then.
    bool required = true;
  };
  explicit FieldSet(std::span<const Wanted> wanted);

  // found: one for each wanted path, in their order. record: a map or object that has been walked.
  void find(ByteView record, record::Encoding encoding, std::span<FieldValue> found) const;

  [[nodiscard]] size_t size() const { return size_; }

 private:
  friend class FieldSearch;
  static constexpr int32_t kNone = -1;
  struct Node {
    std::string key;
    int32_t slot = kNone;  // index in found, when a path ends here
    bool required = false;
    std::vector<Node> children;
    uint64_t sizes = 0;  // bit n: a child's key has n bytes (63: or more)
  };

  static void insert(Node& node, std::span<const std::string> path, int32_t slot, bool required);

  Node root_;
  size_t size_ = 0;
  uint32_t required_ = 0;
  std::vector<int32_t> same_as_;  // a path wanted twice takes the value of the first
};

}  // namespace penstock::route
