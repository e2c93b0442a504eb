// Any bytes as the msgpack of a record: a whole map gives JSON that parses, and the value another
// implementation reads from the same msgpack (where that one has words for it); anything else is
// refused and leaves the buffer alone. Limits cut exactly.
#include "kinesis_format/event_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "codec/msgpack_cursor.h"
#include "codec/utf8.h"

namespace {

using namespace penstock;
using nlohmann::json;

bool is_utf8(const std::string& text) {
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  return codec::is_utf8(at, at + text.size());
}

// Whether the value has only what both sides write alike.
bool is_comparable(const json& value) {
  if (value.is_binary()) return false;
  if (value.is_number_float()) return std::isfinite(value.get<double>());
  if (value.is_string()) return is_utf8(value.get_ref<const std::string&>());
  if (value.is_array()) {
    for (const json& item : value) {
      if (!is_comparable(item)) return false;
    }
  }
  if (value.is_object()) {
    for (const auto& item : value.items()) {
      if (!is_utf8(item.key()) || !is_comparable(item.value())) return false;
    }
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes{data, size};
  codec::MsgpackCursor cursor(bytes);
  codec::MsgpackToken token;
  const bool is_map = cursor.next(token) && token.type == codec::MsgpackType::map;
  const auto whole = codec::MsgpackCursor(bytes).skip();

  ByteBuffer out = ByteBuffer::copy_of(as_bytes("kept"));
  size_t consumed = 0;
  const auto outcome =
      kinesis_format::append_event_json(out, bytes, kinesis_format::kNoLimit, &consumed);
  if (!is_map || !whole) {
    // Some levels deeper than the walk admits are tolerated, nothing else.
    if (outcome == kinesis_format::EncodeOutcome::done) {
      CHECK(is_map && !whole && whole.error() == codec::MsgpackError::too_deep);
    } else {
      CHECK(outcome == kinesis_format::EncodeOutcome::malformed && as_text(out.view()) == "kept");
    }
    return 0;
  }
  CHECK(outcome == kinesis_format::EncodeOutcome::done);
  CHECK(consumed == whole->size());
  const std::string text(as_text(out.view().subspan(4)));
  const json ours = json::parse(text, nullptr, false);
  CHECK(!ours.is_discarded());
  const json theirs =
      json::from_msgpack(data, data + consumed, /*strict=*/true, /*allow_exceptions=*/false);
  if (!theirs.is_discarded() && is_comparable(theirs)) CHECK(ours == theirs);

  ByteBuffer exact;
  CHECK(kinesis_format::append_event_json(exact, bytes, text.size()) ==
        kinesis_format::EncodeOutcome::done);
  CHECK(as_text(exact.view()) == text);
  ByteBuffer cut;
  CHECK(kinesis_format::append_event_json(cut, bytes, text.size() - 1) ==
        kinesis_format::EncodeOutcome::too_large);
  CHECK(cut.empty());
  return 0;
}
