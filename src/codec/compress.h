// Compressor: one payload to one gzip member or zstd frame, for what goes into Kinesis. Keeps its
// working memory between payloads (gzip about 300 KiB, zstd up to 1.3 MiB).
//
// Owned by one thread at a time.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "codec/inflate.h"

namespace penstock::codec {

class Compressor {
 public:
  // none, gzip or zstd.
  explicit Compressor(codec::Compression compression);
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;
  ~Compressor();

  [[nodiscard]] codec::Compression compression() const { return compression_; }

  // Appends the payload, compressed (with none: as it is).
  void append(ByteBuffer& out, ByteView payload);

  // No payload of this size becomes larger than this.
  [[nodiscard]] static size_t bytes_max(codec::Compression compression, size_t payload_size);

 private:
  struct Memory;
  codec::Compression compression_;
  std::unique_ptr<Memory> memory_;
};

}  // namespace penstock::codec
