// IsalInflate: ISA-L's inflate, with gzip headers that come in pieces.
//
// ISA-L reads the header of a gzip member by itself, but forgets which optional fields it has
// (RFC 1952: FEXTRA, FNAME, …) when its input ends within them, and then calls good data damaged.
// So the header is read here; ISA-L checks the trailer.
//
// Thread: one.
#pragma once

#include <isa-l/igzip_lib.h>

namespace penstock::codec {

class IsalInflate {
 public:
  // Without a header, until the owner sets state().crc_flag or begins a member.
  IsalInflate() { isal_inflate_init(&state_); }
  IsalInflate(const IsalInflate&) = delete;
  IsalInflate& operator=(const IsalInflate&) = delete;

  // A gzip member begins.
  void begin_member() {
    isal_inflate_reset(&state_);
    state_.crc_flag = ISAL_GZIP_NO_HDR_VER;
    isal_gzip_header_init(&header_);
    is_in_header_ = true;
  }

  // Where input and output are set.
  [[nodiscard]] inflate_state& state() { return state_; }

  // As isal_inflate().
  [[nodiscard]] int run() {
    if (is_in_header_) {
      const int result = isal_read_gzip_header(&state_, &header_);
      if (result != ISAL_DECOMP_OK) return result;
      is_in_header_ = false;
    }
    return isal_inflate(&state_);
  }

 private:
  inflate_state state_{};
  isal_gzip_header header_{};
  bool is_in_header_ = false;
};

}  // namespace penstock::codec
