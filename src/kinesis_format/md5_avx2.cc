// Compiled for AVX2: called only where the processor has it.
#include "kinesis_format/md5_steps.h"

namespace penstock::kinesis_format {

void add_blocks_avx2(uint32_t (&states)[4][16], const uint8_t** at, const size_t* stride,
                     size_t blocks) {
  using Eight = uint32_t __attribute__((vector_size(32)));
  add_blocks_side_by_side<Eight>(states, at, stride, blocks);
}

}  // namespace penstock::kinesis_format
