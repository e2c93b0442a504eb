#include "protocol/forward/ack.h"

#include "codec/msgpack_cursor.h"
#include "codec/msgpack_writer.h"

namespace penstock::protocol::forward {

using codec::MsgpackCursor;
using codec::MsgpackError;
using codec::MsgpackToken;
using codec::MsgpackType;

void append_ack(ByteBuffer& out, std::string_view chunk, bool chunk_is_bin) {
  codec::MsgpackWriter writer(out);
  writer.map(1);
  writer.str("ack");
  if (chunk_is_bin) {
    writer.bin(as_bytes(chunk));
  } else {
    writer.str(chunk);
  }
}

Result<std::optional<Ack>, AckError> read_ack(ByteView bytes) {
  MsgpackCursor whole(bytes);
  const auto frame = whole.skip();
  if (!frame) {
    if (frame.error() == MsgpackError::truncated) return std::nullopt;
    return failure(AckError::not_an_ack);
  }
  MsgpackCursor cursor(*frame);
  MsgpackToken token;
  if (!cursor.next(token) || token.type != MsgpackType::map) return failure(AckError::not_an_ack);
  for (uint32_t pairs = token.count; pairs > 0; --pairs) {
    MsgpackToken key;
    MsgpackToken value;
    const auto key_bytes = cursor.skip();
    const auto value_bytes = cursor.skip();
    if (!key_bytes || !value_bytes || !MsgpackCursor(*key_bytes).next(key) ||
        !MsgpackCursor(*value_bytes).next(value)) {
      return failure(AckError::not_an_ack);
    }
    if (key.is_text() && as_text(key.bytes) == "ack" && value.is_text()) {
      return Ack{std::string(as_text(value.bytes)), frame->size()};
    }
  }
  return failure(AckError::not_an_ack);
}

}  // namespace penstock::protocol::forward
