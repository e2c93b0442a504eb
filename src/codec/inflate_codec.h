// One compression format behind Inflater. For inflate*.cc alone.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/inflate.h"

namespace penstock::codec {

class InflateCodec {
 public:
  virtual ~InflateCodec() = default;

  // Takes from input and writes to out (never empty) as much as it can.
  //   need_output  only if out was filled, or is smaller than output_wanted
  //   need_input   what it did not consume must come again, with more behind it
  //   done         between members or frames: the input may end here, or go on with the next
  virtual Result<Inflater::Step, InflateError> step(ByteView input, std::span<uint8_t> out,
                                                    bool input_ends, uint64_t output_left) = 0;
};

std::unique_ptr<InflateCodec> make_snappy_codec();
size_t snappy_working_bytes();
// What a raw block says it holds, if input may be one; else 0.
size_t snappy_output_declared(ByteView input);

}  // namespace penstock::codec
