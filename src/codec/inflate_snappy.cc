// Snappy, both ways it is sent. Formats: github.com/google/snappy format_description.txt (block)
// and framing_format.txt (framed).
#include <isa-l/crc.h>
#include <snappy.h>

#include <algorithm>

#include "base/big_endian.h"
#include "codec/inflate_codec.h"

namespace penstock::codec {
namespace {

using State = Inflater::State;
using Step = Inflater::Step;

constexpr uint8_t kStreamIdentifier[] = {0xff, 0x06, 0x00, 0x00, 's', 'N', 'a', 'P', 'p', 'Y'};
constexpr size_t kChunkHead = 4;               // type, 24 bits of length
constexpr size_t kChunkOutputMax = 65'536;     // "at most 65536 bytes when uncompressed"
constexpr size_t kChunkInputMax = 4 + 76'490;  // checksum + snappy::MaxCompressedLength(65536)

// A three-byte copy element gives at most 64 bytes: nothing shrinks further than this.
constexpr size_t kRatioMax = 22;

std::optional<size_t> block_output_size(ByteView input) {
  const std::string_view text = as_text(input);
  size_t size = 0;
  if (!snappy::GetUncompressedLength(text.data(), text.size(), &size)) return std::nullopt;
  if (size / kRatioMax > input.size()) return std::nullopt;
  return size;
}

class SnappyCodec final : public InflateCodec {
 public:
  Result<Step, InflateError> step(ByteView input, std::span<uint8_t> out, bool input_ends,
                                  uint64_t output_left) override {
    if (form_ == Form::unknown) {
      if (input.size() < sizeof kStreamIdentifier && !input_ends) return Step{};
      form_ = std::equal(kStreamIdentifier, std::end(kStreamIdentifier), input.begin(),
                         input.begin() + static_cast<ptrdiff_t>(
                                             std::min(input.size(), sizeof kStreamIdentifier)))
                  ? Form::framed
                  : Form::block;
    }
    if (form_ == Form::block) return block_step(input, out, input_ends, output_left);
    return framed_step(input, out);
  }

 private:
  enum class Form : uint8_t { unknown, block, framed };

  Result<Step, InflateError> block_step(ByteView input, std::span<uint8_t> out, bool input_ends,
                                        uint64_t output_left) {
    if (block_done_) {
      if (!input.empty()) return failure(InflateError::corrupt);
      return Step{State::done};
    }
    if (!input_ends) return Step{};
    if (input.empty()) return failure(InflateError::truncated);
    const auto size = block_output_size(input);
    if (!size) return failure(InflateError::corrupt);
    if (*size > output_left) return failure(InflateError::too_large);
    if (out.size() < *size) return Step{State::need_output, 0, 0, *size};
    const std::string_view text = as_text(input);
    if (!snappy::RawUncompress(text.data(), text.size(), reinterpret_cast<char*>(out.data()))) {
      return failure(InflateError::corrupt);
    }
    block_done_ = true;
    return Step{State::done, input.size(), *size};
  }

  Result<Step, InflateError> framed_step(ByteView input, std::span<uint8_t> out) {
    Step step;
    while (true) {
      const size_t given = std::min(pending_.size() - pending_at_, out.size() - step.produced);
      if (given > 0) {
        std::copy_n(pending_.data() + pending_at_, given, out.data() + step.produced);
        pending_at_ += given;
        step.produced += given;
      }
      if (pending_at_ < pending_.size()) {
        step.state = State::need_output;
        return step;
      }
      const ByteView rest = input.subspan(step.consumed);
      if (skip_left_ > 0) {
        const size_t skipped = std::min<size_t>(skip_left_, rest.size());
        skip_left_ -= static_cast<uint32_t>(skipped);
        step.consumed += skipped;
        if (skip_left_ > 0) return step;
        continue;
      }
      if (rest.empty()) {
        step.state = chunk_.empty() ? State::done : State::need_input;
        return step;
      }
      step.consumed += collect(rest);
      if (chunk_.size() < kChunkHead) return step;
      const auto taken = take_chunk();
      if (!taken) return failure(taken.error());
    }
  }

  [[nodiscard]] size_t chunk_size() const {
    return chunk_.data()[1] | size_t{chunk_.data()[2]} << 8 | size_t{chunk_.data()[3]} << 16;
  }
  [[nodiscard]] bool is_skipped() const {
    return chunk_.data()[0] >= 0x80 && chunk_.data()[0] != 0xff;
  }

  // Moves what belongs to the present chunk out of rest.
  size_t collect(ByteView rest) {
    size_t taken = 0;
    if (chunk_.size() < kChunkHead) {
      taken = std::min(kChunkHead - chunk_.size(), rest.size());
      chunk_.append(rest.first(taken));
    }
    if (chunk_.size() < kChunkHead || is_skipped() || chunk_size() > kChunkInputMax) return taken;
    const size_t more = std::min(kChunkHead + chunk_size() - chunk_.size(), rest.size() - taken);
    chunk_.append(rest.subspan(taken, more));
    return taken + more;
  }

  // Undoes the chunk if it is whole (or need not be).
  Result<void, InflateError> take_chunk() {
    const uint8_t type = chunk_.data()[0];
    const size_t size = chunk_size();
    if (is_skipped()) {  // 0xfe padding and the reserved skippable ones
      skip_left_ = static_cast<uint32_t>(size);
      chunk_.clear();
      return {};
    }
    if (size > kChunkInputMax) return failure(InflateError::corrupt);
    if (chunk_.size() < kChunkHead + size) return {};
    const ByteView body = chunk_.view().subspan(kChunkHead);
    if (type == 0xff) {
      if (!std::equal(kStreamIdentifier, std::end(kStreamIdentifier), chunk_.data(),
                      chunk_.data() + chunk_.size())) {
        return failure(InflateError::corrupt);
      }
    } else if (type > 0x01 || size < 4) {
      return failure(InflateError::corrupt);
    } else if (!undo(body, type == 0x00)) {
      return failure(InflateError::corrupt);
    }
    chunk_.clear();
    return {};
  }

  bool undo(ByteView body, bool compressed) {
    const uint32_t expected = load_le<uint32_t>(body.data());
    body = body.subspan(4);
    pending_.clear();
    pending_at_ = 0;
    if (compressed) {
      const auto size = block_output_size(body);
      if (!size || *size > kChunkOutputMax) return false;
      pending_.resize(*size);
      const std::string_view text = as_text(body);
      if (!snappy::RawUncompress(text.data(), text.size(),
                                 reinterpret_cast<char*>(pending_.data()))) {
        return false;
      }
    } else {
      if (body.size() > kChunkOutputMax) return false;
      pending_.append(body);
    }
    // CRC-32C of what comes out, rotated and shifted; ISA-L's takes and gives it uninverted.
    const uint32_t crc = ~crc32_iscsi(pending_.data(), static_cast<int>(pending_.size()), ~0u);
    return ((crc >> 15 | crc << 17) + 0xa282ead8u) == expected;
  }

  Form form_ = Form::unknown;
  bool block_done_ = false;
  ByteBuffer chunk_;    // framed: head and body of the present chunk, as far as it has come
  ByteBuffer pending_;  // framed: undone, not yet given
  size_t pending_at_ = 0;
  uint32_t skip_left_ = 0;
};

}  // namespace

std::unique_ptr<InflateCodec> make_snappy_codec() { return std::make_unique<SnappyCodec>(); }

size_t snappy_working_bytes() { return 2 * (kChunkHead + kChunkInputMax) + 2 * kChunkOutputMax; }

size_t snappy_output_declared(ByteView input) {
  if (input.size() >= sizeof kStreamIdentifier &&
      std::equal(kStreamIdentifier, std::end(kStreamIdentifier), input.begin())) {
    return 0;
  }
  return block_output_size(input).value_or(0);
}

}  // namespace penstock::codec
