// Any bytes, as any format, in any pieces: never a crash, never more output than the limit, and the
// same output whole and in pieces. First byte: the format; second: how it is cut.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "codec/inflate.h"

namespace {

using penstock::ByteView;
using penstock::codec::Compression;
using penstock::codec::Inflater;

constexpr size_t kOutputMax = 1 << 18;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  bool good = false;
  std::string text;
};

Outcome inflate(Compression compression, ByteView input, size_t in_piece, size_t out_piece) {
  Inflater inflater({compression, kOutputMax});
  Outcome outcome;
  std::vector<uint8_t> out(out_piece);
  size_t at = 0;
  size_t given = std::min(in_piece, input.size());
  for (int idle = 0; idle < 4;) {
    const std::vector<uint8_t> piece(input.begin() + static_cast<ptrdiff_t>(at),
                                     input.begin() + static_cast<ptrdiff_t>(given));
    const auto step = inflater.step(piece, out, given == input.size());
    if (!step) return outcome;
    require(step->consumed <= piece.size() && step->produced <= out.size());
    outcome.text.append(out.begin(), out.begin() + static_cast<ptrdiff_t>(step->produced));
    require(outcome.text.size() <= kOutputMax);
    at += step->consumed;
    idle = step->consumed + step->produced == 0 ? idle + 1 : 0;
    if (step->state == Inflater::State::done) {
      require(at == input.size());
      outcome.good = true;
      return outcome;
    }
    if (step->state == Inflater::State::need_input) {
      require(given < input.size());
      given = std::min(given + in_piece, input.size());
      idle = 0;
    }
    if (step->output_wanted > out.size()) out.resize(step->output_wanted);
  }
  std::abort();  // neither done nor moving
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  constexpr Compression kFormats[] = {Compression::gzip, Compression::deflate, Compression::zstd,
                                      Compression::snappy};
  const Compression compression = kFormats[data[0] % 4];
  const size_t piece = size_t{1} + data[1];
  const ByteView input(data + 2, size - 2);
  (void)penstock::codec::output_guess(compression, input, kOutputMax);
  (void)Inflater::working_bytes(compression, input);
  const Outcome whole = inflate(compression, input, SIZE_MAX, kOutputMax);
  const Outcome pieces = inflate(compression, input, piece, piece * 3);
  require(whole.good == pieces.good);
  if (whole.good) require(whole.text == pieces.text);
  return 0;
}
