// Inflater: undoes gzip, deflate, zstd and snappy step by step, into space the caller supplies,
// under a hard limit on the output. What a peer declares (sizes, ratios) is never believed, only
// used to refuse early.
//
//   gzip     several members back to back, as Fluentd chunks are
//   deflate  HTTP's "deflate": zlib-wrapped as the RFC says or raw as some senders do, by the
//            first two bytes
//   zstd     several frames; windows up to 8 MiB (RFC 9659), larger ones only when frame and
//            output space are given whole
//   snappy   Vector's Content-Encoding: snappy is one raw block: give input and output whole; the
//            framed format is recognized by its stream identifier and goes step by step
//
// Thread: none of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::codec {

enum class Compression : uint8_t { none, gzip, deflate, zstd, snappy };

// By HTTP's names (identity, gzip, x-gzip, deflate, zstd, snappy) and Fluentd's (text).
[[nodiscard]] std::optional<Compression> compression_named(std::string_view name);

enum class InflateError : uint8_t {
  corrupt,    // not the format, or a checksum does not match
  truncated,  // the input ends early
  too_large,  // more output than output_bytes_max
  window_too_large,
};
[[nodiscard]] std::string_view to_string(InflateError error);

class InflateCodec;

class Inflater {
 public:
  struct Options {
    Compression compression = Compression::gzip;
    uint64_t output_bytes_max = 64_MiB;
  };
  explicit Inflater(Options options);
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;
  ~Inflater();

  enum class State : uint8_t {
    need_input,   // give more, behind what was not consumed (snappy block: all at once)
    need_output,  // out is full; see output_wanted
    done,         // the input has ended, and so has the last member
  };
  struct Step {
    State state = State::need_input;
    size_t consumed = 0;  // of input
    size_t produced = 0;  // of out
    // With need_output: free space below which another step gets nowhere. 1 unless a format wants
    // more.
    size_t output_wanted = 1;
  };

  // input_ends: nothing follows behind input. After an error the inflater is spent.
  [[nodiscard]] Result<Step, InflateError> step(ByteView input, std::span<uint8_t> out,
                                                bool input_ends);

  [[nodiscard]] uint64_t output_bytes() const { return output_bytes_; }

  // What an inflater holds beside input and output, at most; for the memory budget. zstd: the worst
  // case, or what the frames ask for when the whole input is given.
  [[nodiscard]] static size_t working_bytes(Compression compression, ByteView whole_input = {});

 private:
  uint64_t output_left() const { return options_.output_bytes_max - output_bytes_; }

  Options options_;
  std::unique_ptr<InflateCodec> codec_;
  uint64_t output_bytes_ = 0;     // given to the caller
  std::optional<uint8_t> spill_;  // one byte that found no room
};

// A first guess at the output's size, never above output_bytes_max: from what the input declares
// where that is plausible, else some multiple of its size. For buffers that grow from there.
[[nodiscard]] size_t output_guess(Compression compression, ByteView input,
                                  uint64_t output_bytes_max);

// All of input at once, appended to out, which grows as needed: for who has no budget to ask.
[[nodiscard]] Result<void, InflateError> inflate_whole(Inflater::Options options, ByteView input,
                                                       ByteBuffer& out);

}  // namespace penstock::codec
