#include "codec/inflate.h"

#define ZSTD_STATIC_LINKING_ONLY  // sizes of frames and of their working memory
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>

#include "base/big_endian.h"
#include "base/check.h"
#include "codec/inflate_codec.h"
#include "codec/isal_inflate.h"

namespace penstock::codec {
namespace {

using State = Inflater::State;
using Step = Inflater::Step;

// ISA-L because it inflates log chunks about twice as fast as zlib (inflate_bench). Its sizes are
// 32 bit, so it gets its input in pieces.
constexpr size_t kIsalPiece = 1_GiB;

class DeflateCodec final : public InflateCodec {
 public:
  explicit DeflateCodec(Compression compression)
      : gzip_(compression == Compression::gzip), isal_(std::make_unique<IsalInflate>()) {
    if (gzip_) isal_->begin_member();
  }

  Result<Step, InflateError> step(ByteView input, std::span<uint8_t> out, bool input_ends,
                                  uint64_t) override {
    Step step;
    if (!gzip_ && !format_known_) {
      if (input.size() < 2 && !input_ends) return Step{};
      if (!tell_format(input)) return failure(InflateError::truncated);
    }
    while (true) {
      if (between_members_) {
        if (input.size() == step.consumed) {
          step.state = State::done;
          return step;
        }
        if (!gzip_) return failure(InflateError::corrupt);  // something behind the end
        isal_->begin_member();
        between_members_ = false;
      }
      if (!run(input, out, step)) return failure(InflateError::corrupt);
      if (isal_->state().block_state == ISAL_BLOCK_FINISH) {
        // Without a trailer of eight bytes it may have looked at what follows the end.
        if (!gzip_ && isal_->state().read_in_length >= 8) return failure(InflateError::corrupt);
        between_members_ = true;
      } else if (step.produced == out.size()) {
        step.state = State::need_output;
        return step;
      } else if (step.consumed == input.size()) {
        step.state = State::need_input;
        return step;
      }
    }
  }

 private:
  // RFC 1950 §2.2: compression method 8, window at most 32 KiB, header divisible by 31.
  bool tell_format(ByteView input) {
    if (input.size() < 2) return false;
    const bool zlib =
        (input[0] & 0x0f) == 8 && (input[0] >> 4) <= 7 && load_be<uint16_t>(input.data()) % 31 == 0;
    isal_->state().crc_flag = zlib ? ISAL_ZLIB : ISAL_DEFLATE;
    format_known_ = true;
    return true;
  }

  bool run(ByteView input, std::span<uint8_t> out, Step& step) {
    const size_t in_size = std::min(input.size() - step.consumed, kIsalPiece);
    const size_t out_size = std::min(out.size() - step.produced, kIsalPiece);
    inflate_state& state = isal_->state();
    state.next_in = const_cast<uint8_t*>(input.data() + step.consumed);  // it only reads
    state.avail_in = static_cast<uint32_t>(in_size);
    state.next_out = out.data() + step.produced;
    state.avail_out = static_cast<uint32_t>(out_size);
    const int result = isal_->run();
    const size_t taken = in_size - state.avail_in;
    const size_t given = out_size - state.avail_out;
    step.consumed += taken;
    step.produced += given;
    if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT && result != ISAL_OUT_OVERFLOW) {
      return false;
    }
    // Neither moved nor asking for anything would be an endless loop.
    return taken + given > 0 || state.block_state == ISAL_BLOCK_FINISH || in_size == 0 ||
           out_size == 0;
  }

  const bool gzip_;
  bool format_known_ = false;
  bool between_members_ = false;
  std::unique_ptr<IsalInflate> isal_;
};

constexpr int kZstdWindowLogMax = 23;

class ZstdCodec final : public InflateCodec {
 public:
  ZstdCodec() : context_(ZSTD_createDCtx()) {
    CHECK(context_ != nullptr);
    CHECK(!ZSTD_isError(ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kZstdWindowLogMax)));
  }
  ZstdCodec(const ZstdCodec&) = delete;
  ZstdCodec& operator=(const ZstdCodec&) = delete;
  ~ZstdCodec() override { ZSTD_freeDCtx(context_); }

  Result<Step, InflateError> step(ByteView input, std::span<uint8_t> out, bool, uint64_t) override {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (true) {
      const size_t in_before = in.pos;
      const size_t out_before = to.pos;
      if (between_frames_ && in.pos == in.size && began_) {
        return Step{State::done, in.pos, to.pos};
      }
      const size_t result = ZSTD_decompressStream(context_, &to, &in);
      if (ZSTD_isError(result)) {
        const bool window = ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge;
        return failure(window ? InflateError::window_too_large : InflateError::corrupt);
      }
      began_ = began_ || in.pos > 0;
      between_frames_ = result == 0;
      if (between_frames_) continue;
      if (to.pos == to.size) return Step{State::need_output, in.pos, to.pos};
      if (in.pos == in.size) return Step{State::need_input, in.pos, to.pos};
      if (in.pos == in_before && to.pos == out_before) return failure(InflateError::corrupt);
    }
  }

 private:
  ZSTD_DCtx* context_;
  bool began_ = false;
  bool between_frames_ = false;
};

std::unique_ptr<InflateCodec> make_codec(Compression compression) {
  switch (compression) {
    case Compression::gzip:
    case Compression::deflate:
      return std::make_unique<DeflateCodec>(compression);
    case Compression::zstd:
      return std::make_unique<ZstdCodec>();
    case Compression::snappy:
      return make_snappy_codec();
    case Compression::none:
      break;
  }
  CHECK(compression != Compression::none);  // there is no inflater of nothing
  return nullptr;
}

}  // namespace

std::optional<Compression> compression_named(std::string_view name) {
  if (name == "identity" || name == "text" || name.empty()) return Compression::none;
  if (name == "gzip" || name == "x-gzip") return Compression::gzip;
  if (name == "deflate") return Compression::deflate;
  if (name == "zstd") return Compression::zstd;
  if (name == "snappy") return Compression::snappy;
  return std::nullopt;
}

std::string_view to_string(InflateError error) {
  switch (error) {
    case InflateError::corrupt:
      return "corrupt";
    case InflateError::truncated:
      return "truncated";
    case InflateError::too_large:
      return "too_large";
    case InflateError::window_too_large:
      return "window_too_large";
  }
  return "unknown";
}

Inflater::Inflater(Options options) : options_(options), codec_(make_codec(options.compression)) {}
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;
Inflater::~Inflater() = default;

// The codec always gets room for at least one byte: where the caller has none left, or the limit is
// reached, that is spill_. So a buffer of exactly the right size suffices to see the end, and one
// byte beyond the limit is noticed.
Result<Step, InflateError> Inflater::step(ByteView input, std::span<uint8_t> out, bool input_ends) {
  Step total;
  out = out.first(std::min<uint64_t>(out.size(), output_left()));
  if (spill_ && !out.empty()) {
    out[0] = *spill_;
    spill_.reset();
    total.produced = 1;
  }
  const auto finish = [&](State state) {
    total.state = state;
    output_bytes_ += total.produced;
    return total;
  };
  while (true) {
    if (spill_) {
      if (output_left() == total.produced) return failure(InflateError::too_large);
      return finish(State::need_output);
    }
    const std::span<uint8_t> room = out.subspan(total.produced);
    uint8_t extra;
    const bool spills = room.empty();
    const auto stepped =
        codec_->step(input.subspan(total.consumed), spills ? std::span(&extra, 1) : room,
                     input_ends, output_left() - total.produced);
    if (!stepped) return failure(stepped.error());
    total.consumed += stepped->consumed;
    if (spills) {
      if (stepped->produced == 1) spill_ = extra;
    } else {
      total.produced += stepped->produced;
    }
    switch (stepped->state) {
      case State::done:
        if (spill_) continue;
        if (total.consumed < input.size()) return failure(InflateError::corrupt);
        return finish(input_ends ? State::done : State::need_input);
      case State::need_input:
        if (spill_) continue;
        if (input_ends) return failure(InflateError::truncated);
        return finish(State::need_input);
      case State::need_output:
        if (stepped->output_wanted > 1) {
          total.output_wanted = stepped->output_wanted;
          return finish(State::need_output);
        }
    }
  }
}

size_t Inflater::working_bytes(Compression compression, ByteView whole_input) {
  switch (compression) {
    case Compression::none:
      return 0;
    case Compression::gzip:
    case Compression::deflate:
      return sizeof(inflate_state);
    case Compression::snappy:
      return snappy_working_bytes();
    case Compression::zstd:
      break;
  }
  const size_t worst = ZSTD_estimateDStreamSize(size_t{1} << kZstdWindowLogMax);
  size_t largest = whole_input.empty() ? worst : ZSTD_estimateDStreamSize(0);
  while (!whole_input.empty()) {
    const size_t size = ZSTD_findFrameCompressedSize(whole_input.data(), whole_input.size());
    const size_t frame = ZSTD_estimateDStreamSize_fromFrame(whole_input.data(), whole_input.size());
    if (ZSTD_isError(size)) break;
    if (!ZSTD_isError(frame)) largest = std::max(largest, frame);  // else a skippable one
    whole_input = whole_input.subspan(size);
  }
  return std::min(largest, worst);
}

size_t output_guess(Compression compression, ByteView input, uint64_t output_bytes_max) {
  uint64_t guess = uint64_t{input.size()} * 8;  // what log lines shrink by, or thereabouts
  if (compression == Compression::gzip && input.size() >= 18) {
    // ISIZE, RFC 1952 §2.3.1: of the last member, modulo 2^32. Deflate shrinks to 1/1032 at best.
    const uint64_t declared = load_le<uint32_t>(input.data() + input.size() - 4);
    if (declared >= input.size() && declared / 1032 <= input.size()) guess = declared;
  } else if (compression == Compression::zstd) {
    const unsigned long long declared = ZSTD_findDecompressedSize(input.data(), input.size());
    if (declared < ZSTD_CONTENTSIZE_ERROR && declared / 65'536 <= input.size() && declared > 0) {
      guess = declared;
    }
  } else if (compression == Compression::snappy) {
    const size_t declared = snappy_output_declared(input);
    if (declared > 0) guess = declared;
  }
  return static_cast<size_t>(std::min(guess, output_bytes_max));
}

Result<void, InflateError> inflate_whole(Inflater::Options options, ByteView input,
                                         ByteBuffer& out) {
  Inflater inflater(options);
  out.reserve(out.size() + output_guess(options.compression, input, options.output_bytes_max));
  while (true) {
    const auto step = inflater.step(input, out.free_space(), true);
    if (!step) return failure(step.error());
    out.commit(step->produced);
    input = input.subspan(step->consumed);
    if (step->state == State::done) return {};
    const size_t wanted = out.size() + step->output_wanted;
    const uint64_t limit = out.size() + options.output_bytes_max - inflater.output_bytes();
    out.reserve(static_cast<size_t>(
        std::max<uint64_t>(wanted, std::min<uint64_t>(uint64_t{out.capacity()} * 2, limit))));
  }
}

}  // namespace penstock::codec
