#include "protocol/forward/message_writer.h"

#include <zlib.h>
#include <zstd.h>

#include "base/check.h"
#include "codec/msgpack_writer.h"

namespace penstock::protocol::forward {
namespace {

using codec::Compression;

ByteBuffer zstd(ByteView bytes) {
  ByteBuffer out(ZSTD_compressBound(bytes.size()));
  const size_t size =
      ZSTD_compress(out.data(), out.capacity(), bytes.data(), bytes.size(), ZSTD_CLEVEL_DEFAULT);
  CHECK(!ZSTD_isError(size));
  out.commit(size);
  return out;
}

}  // namespace

ByteBuffer compress_gzip(ByteView bytes) {
  z_stream stream{};
  constexpr int kGzipWindowBits = 15 + 16;
  CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, 8,
                     Z_DEFAULT_STRATEGY) == Z_OK);
  ByteBuffer out(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<uint8_t*>(bytes.data());  // it only reads
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.capacity());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.commit(stream.total_out);
  deflateEnd(&stream);
  return out;
}

ByteBuffer write_packed_forward(const OutgoingMessage& message) {
  CHECK(message.entries.size() <= UINT32_MAX);
  ByteBuffer compressed;
  std::string_view compressed_name = "text";
  ByteView entries = message.entries;
  if (message.compression == Compression::gzip) {
    compressed = compress_gzip(entries);
    compressed_name = "gzip";
    entries = compressed.view();
  } else if (message.compression == Compression::zstd) {
    compressed = zstd(entries);
    compressed_name = "zstd";
    entries = compressed.view();
  }

  ByteBuffer out(entries.size() + message.tag.size() + message.chunk.size() + 64);
  codec::MsgpackWriter writer(out);
  writer.array(3);
  writer.str(message.tag);
  writer.bin(entries);
  writer.map(message.chunk.empty() ? 2 : 3);
  writer.str("size");
  writer.unsigned_integer(message.event_count);
  writer.str("compressed");
  writer.str(compressed_name);
  if (!message.chunk.empty()) {
    writer.str("chunk");
    writer.str(message.chunk);
  }
  return out;
}

}  // namespace penstock::protocol::forward
