#include "kinesis_format/read/kpl_reader.h"

#include <cstring>
#include <optional>
#include <vector>

#include "kinesis_format/md5.h"

namespace penstock::kinesis_format {
namespace {

constexpr uint8_t kMagic[] = {0xf3, 0x89, 0x9a, 0xc2};
// An event takes at least six bytes; 10 MiB of nothing but keys would still ask for 80 MB of views.
constexpr size_t kTableEntriesMax = 1 << 20;

enum class WireType : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  uint64_t number = 0;
  WireType type = WireType::varint;
  uint64_t varint = 0;
  ByteView bytes;  // of the other types

  // The field of that number; of another type it is nothing of ours.
  [[nodiscard]] bool is(uint64_t wanted, WireType wanted_type) const {
    return number == wanted && type == wanted_type;
  }
};

// A protobuf message, field by field.
class Message {
 public:
  explicit Message(ByteView bytes) : bytes_(bytes) {}
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }

  [[nodiscard]] std::optional<Field> next() {
    const auto tag = varint();
    if (!tag || *tag >> 3 == 0) return std::nullopt;
    Field field{
        .number = *tag >> 3, .type = static_cast<WireType>(*tag & 7), .varint = 0, .bytes = {}};
    uint64_t size = 0;
    switch (field.type) {
      case WireType::varint: {
        const auto value = varint();
        if (!value) return std::nullopt;
        field.varint = *value;
        return field;
      }
      case WireType::fixed64:
        size = 8;
        break;
      case WireType::bytes: {
        const auto length = varint();
        if (!length) return std::nullopt;
        size = *length;
        break;
      }
      case WireType::fixed32:
        size = 4;
        break;
      default:
        return std::nullopt;
    }
    if (size > bytes_.size()) return std::nullopt;
    field.bytes = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return field;
  }

 private:
  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) return std::nullopt;
      const uint8_t byte = bytes_[0];
      bytes_ = bytes_.subspan(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  ByteView bytes_;
};

struct Tables {
  std::vector<std::string_view> partition_keys;
  std::vector<std::string_view> hash_keys;
};

std::optional<Tables> read_tables(ByteView proto) {
  Tables tables;
  for (Message message(proto); !message.at_end();) {
    const auto field = message.next();
    if (!field) return std::nullopt;
    if (field->is(1, WireType::bytes)) tables.partition_keys.push_back(as_text(field->bytes));
    if (field->is(2, WireType::bytes)) tables.hash_keys.push_back(as_text(field->bytes));
    if (tables.partition_keys.size() + tables.hash_keys.size() > kTableEntriesMax) {
      return std::nullopt;
    }
  }
  return tables;
}

std::optional<KplRecord> read_record(ByteView bytes, const Tables& tables) {
  KplRecord record;
  bool has_key = false;
  bool has_data = false;
  for (Message message(bytes); !message.at_end();) {
    const auto field = message.next();
    if (!field) return std::nullopt;
    if (field->is(1, WireType::varint)) {
      if (field->varint >= tables.partition_keys.size()) return std::nullopt;
      record.partition_key = tables.partition_keys[field->varint];
      has_key = true;
    } else if (field->is(2, WireType::varint)) {
      if (field->varint >= tables.hash_keys.size()) return std::nullopt;
      record.explicit_hash_key = tables.hash_keys[field->varint];
    } else if (field->is(3, WireType::bytes)) {
      record.data = field->bytes;
      has_data = true;
    }
  }
  if (!has_key || !has_data) return std::nullopt;  // required by the format
  return record;
}

// False: some record is not whole.
template <class Visit>
bool for_each_record(ByteView proto, const Tables& tables, Visit visit) {
  for (Message message(proto); !message.at_end();) {
    const auto field = message.next();
    if (!field) return false;
    if (!field->is(3, WireType::bytes)) continue;
    const auto record = read_record(field->bytes, tables);
    if (!record) return false;
    visit(*record);
  }
  return true;
}

}  // namespace

bool read_kpl(ByteView bytes, const std::function<void(const KplRecord&)>& visit) {
  if (bytes.size() < sizeof kMagic + sizeof(Md5Digest) ||
      std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    return false;
  }
  const ByteView proto =
      bytes.subspan(sizeof kMagic, bytes.size() - sizeof kMagic - sizeof(Md5Digest));
  const Md5Digest digest = md5(proto);
  if (std::memcmp(proto.data() + proto.size(), digest.data(), digest.size()) != 0) return false;
  const auto tables = read_tables(proto);
  // Looked at once without giving anything out: an aggregate counts whole or not at all.
  if (!tables || !for_each_record(proto, *tables, [](const KplRecord&) {})) return false;
  return for_each_record(proto, *tables, visit);
}

}  // namespace penstock::kinesis_format
