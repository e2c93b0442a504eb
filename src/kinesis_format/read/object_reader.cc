#include "kinesis_format/read/object_reader.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "codec/isal_inflate.h"
#include "codec/json_check.h"
#include "codec/json_scan.h"
#include "kinesis_format/md5.h"

namespace penstock::kinesis_format {
namespace {

constexpr uint8_t kGzipMagic[] = {0x1f, 0x8b, 0x08};        // RFC 1952, with its one method
constexpr uint8_t kZstdMagic[] = {0x28, 0xb5, 0x2f, 0xfd};  // RFC 8878
constexpr uint8_t kKplMagic[] = {0xf3, 0x89, 0x9a, 0xc2};
// Once around the object, once around each record.
constexpr uint32_t kLevelsMax = 3;
constexpr size_t kPieceBytes = 64_KiB;
// What `zstd -d` takes without being asked.
constexpr int kZstdWindowLogMax = 27;
// A record of Kinesis has at most 10 MiB.
constexpr size_t kAggregateBytesMax = 10_MiB;

enum class Form : uint8_t { gzip, zstd, kpl, json, line, unknown_yet };

template <size_t size>
bool begins_with(ByteView bytes, const uint8_t (&magic)[size]) {
  return std::memcmp(bytes.data(), magic, std::min(size, bytes.size())) == 0;
}

// bytes: not empty, no white space in front. unknown_yet: more bytes are needed to tell.
Form form_of(ByteView bytes, bool is_last) {
  if (bytes[0] == '{') return Form::json;
  const auto form_with = [&](Form form, size_t magic_size) {
    if (bytes.size() >= magic_size) return form;
    return is_last ? Form::line : Form::unknown_yet;
  };
  if (begins_with(bytes, kGzipMagic)) return form_with(Form::gzip, sizeof kGzipMagic);
  if (begins_with(bytes, kZstdMagic)) return form_with(Form::zstd, sizeof kZstdMagic);
  if (begins_with(bytes, kKplMagic)) return form_with(Form::kpl, sizeof kKplMagic);
  return Form::line;
}

// Where a record ends: its size, nothing when more bytes are needed, or that it is none of that
// form.
struct Extent {
  enum class State : uint8_t { known, need_more, not_this_form } state;
  size_t size = 0;
};

Extent json_extent(const uint8_t* at, const uint8_t* end, bool may_grow) {
  const codec::JsonChecked checked = codec::check_json(at, end);
  if (checked.fault == codec::JsonFault::none) {
    return {Extent::State::known, static_cast<size_t>(checked.end - at)};
  }
  const bool wants_more = checked.fault == codec::JsonFault::truncated && may_grow;
  return {wants_more ? Extent::State::need_more : Extent::State::not_this_form};
}

// The size of a protobuf field of an AggregatedRecord, its tag and length included; 0 when there is
// none, `need` set when it may be there but is not whole.
size_t aggregate_field(ByteView bytes, bool& need) {
  need = bytes.empty();
  if (bytes.empty() || (bytes[0] != 0x0a && bytes[0] != 0x12 && bytes[0] != 0x1a)) return 0;
  uint64_t length = 0;
  size_t at = 1;
  for (unsigned shift = 0;; shift += 7, ++at) {
    if (at == bytes.size()) {
      need = true;
      return 0;
    }
    if (shift > 28) return 0;
    length |= uint64_t{bytes[at] & 0x7fu} << shift;
    if (bytes[at] < 0x80) break;
  }
  ++at;
  if (length > kAggregateBytesMax) return 0;
  if (length > bytes.size() - at) {
    need = true;
    return 0;
  }
  return at + length;
}

// The fields are walked as far as they go; the MD5 behind them may look like more of them. So the
// last ends of a field are tried, the last one first.
Extent kpl_extent(ByteView bytes, bool may_grow) {
  constexpr size_t kEndsTried = 24;
  std::array<size_t, kEndsTried> ends{};
  size_t count = 0;
  bool need = false;
  size_t at = sizeof kKplMagic;
  while (at <= bytes.size() && at <= kAggregateBytesMax) {
    const size_t size = aggregate_field(bytes.subspan(at), need);
    if (size == 0) break;
    at += size;
    ends[count++ % kEndsTried] = at;
  }
  const bool is_cut = need || at + sizeof(Md5Digest) > bytes.size();
  if (is_cut && may_grow && bytes.size() < 2 * kAggregateBytesMax) {
    return {Extent::State::need_more};
  }
  for (size_t i = 0; i < std::min(count, kEndsTried); ++i) {
    const size_t end = ends[(count - 1 - i) % kEndsTried];
    if (end + sizeof(Md5Digest) > bytes.size()) continue;
    const Md5Digest digest = md5(bytes.subspan(sizeof kKplMagic, end - sizeof kKplMagic));
    if (std::memcmp(bytes.data() + end, digest.data(), digest.size()) == 0) {
      return {Extent::State::known, end + digest.size()};
    }
  }
  return {Extent::State::not_this_form};
}

Extent line_extent(ByteView bytes, bool may_grow) {
  const void* feed = std::memchr(bytes.data(), '\n', bytes.size());
  if (feed != nullptr) {
    return {Extent::State::known,
            static_cast<size_t>(static_cast<const uint8_t*>(feed) - bytes.data())};
  }
  if (may_grow) return {Extent::State::need_more};
  return {Extent::State::known, bytes.size()};
}

// One gzip member or zstd frame, which may end anywhere in the input.
class Member {
 public:
  explicit Member(Form form) {
    if (form == Form::gzip) {
      gzip_ = std::make_unique<codec::IsalInflate>();
      gzip_->begin_member();
    } else {
      zstd_.reset(ZSTD_createDCtx());
      CHECK(zstd_ != nullptr);
      CHECK(!ZSTD_isError(
          ZSTD_DCtx_setParameter(zstd_.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax)));
    }
  }

  struct Step {
    size_t consumed = 0;
    size_t produced = 0;
    bool has_ended = false;
  };
  // Nothing: the data is damaged.
  [[nodiscard]] std::optional<Step> step(ByteView input, std::span<uint8_t> out) {
    return gzip_ ? step_gzip(input, out) : step_zstd(input, out);
  }

 private:
  std::optional<Step> step_gzip(ByteView input, std::span<uint8_t> out) {
    const size_t in_size = std::min(input.size(), size_t{1_GiB});
    inflate_state& state = gzip_->state();
    state.next_in = const_cast<uint8_t*>(input.data());  // it only reads
    state.avail_in = static_cast<uint32_t>(in_size);
    state.next_out = out.data();
    state.avail_out = static_cast<uint32_t>(out.size());
    const int result = gzip_->run();
    if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT && result != ISAL_OUT_OVERFLOW) {
      return std::nullopt;
    }
    return Step{in_size - state.avail_in, out.size() - state.avail_out,
                state.block_state == ISAL_BLOCK_FINISH};
  }

  std::optional<Step> step_zstd(ByteView input, std::span<uint8_t> out) {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const size_t result = ZSTD_decompressStream(zstd_.get(), &to, &in);
    if (ZSTD_isError(result)) return std::nullopt;
    return Step{in.pos, to.pos, result == 0};
  }

  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<codec::IsalInflate> gzip_;
  std::unique_ptr<ZSTD_DCtx, Free> zstd_;
};

}  // namespace

std::string_view to_string(ObjectError error) {
  switch (error) {
    case ObjectError::corrupt:
      return "its compressed data is damaged";
    case ObjectError::truncated:
      return "its compressed data ends early";
    case ObjectError::too_deep:
      return "it is compressed more than twice";
  }
  return "";
}

// What stands at one depth of compression, and, inside a member of it, the level below.
class ObjectReader::Level {
 public:
  Level(const Sink& sink, size_t record_bytes_max, uint32_t depth)
      : sink_(sink), record_bytes_max_(record_bytes_max), depth_(depth) {}

  Result<void, ObjectError> add(ByteView bytes) {
    while (!bytes.empty()) {
      if (member_) {
        const auto consumed = inflate(bytes);
        if (!consumed) return failure(consumed.error());
        bytes = bytes.subspan(*consumed);
        continue;
      }
      const ByteView piece = bytes.first(std::min(bytes.size(), kPieceBytes));
      pending_.append(piece);
      bytes = bytes.subspan(piece.size());
      if (auto done = take_records(false); !done) return done;
    }
    return {};
  }

  Result<void, ObjectError> finish() {
    auto done = take_records(true);
    if (!done) return done;
    if (inside_) done = inside_->finish();
    if (member_ && done) return failure(ObjectError::truncated);
    return done;
  }

 private:
  // The member has ended. JSON may go on in the next one; other text does not.
  Result<void, ObjectError> end_member() {
    if (auto done = take_whole_records(); !done) return done;
    const bool goes_on = !pending_.empty() && form_of(pending_.view(), false) != Form::line;
    return goes_on ? Result<void, ObjectError>() : take_records(true);
  }

  // At every depth: a member inside may go on in the next one, and what follows this one is later.
  Result<void, ObjectError> take_whole_records() {
    look_at_size_ = 0;
    if (auto done = take_records(false); !done) return done;
    return member_ ? inside_->take_whole_records() : Result<void, ObjectError>();
  }

  // How much of the bytes the member took.
  Result<size_t, ObjectError> inflate(ByteView bytes) {
    out_.reserve(kPieceBytes);
    size_t consumed = 0;
    for (;;) {
      const auto step = member_->step(bytes.subspan(consumed), {out_.data(), kPieceBytes});
      if (!step) return failure(ObjectError::corrupt);
      consumed += step->consumed;
      if (auto done = inside_->add({out_.data(), step->produced}); !done) {
        return failure(done.error());
      }
      if (step->has_ended) {
        member_.reset();
        if (auto done = inside_->end_member(); !done) return failure(done.error());
        return consumed;
      }
      // Output that found no room is left inside the decompressor.
      if (step->produced < kPieceBytes) {
        if (consumed == bytes.size()) return consumed;
        if (step->consumed + step->produced == 0) return failure(ObjectError::corrupt);
      }
    }
  }

  Result<void, ObjectError> take_records(bool is_last) {
    size_t at = 0;
    for (;;) {
      codec::terminate(pending_);
      const uint8_t* const end = pending_.data() + pending_.size();
      const uint8_t* const begin = codec::skip_json_space(pending_.data() + at, end);
      at = static_cast<size_t>(begin - pending_.data());
      const ByteView rest(begin, end);
      if (rest.empty()) break;
      // Looked at again only when there is twice as much of it: what comes in small pieces is not
      // gone through once for each.
      const bool may_grow = !is_last && rest.size() < record_bytes_max_;
      if (may_grow && rest.size() < look_at_size_) break;
      const Form form = form_of(rest, is_last);
      if (form == Form::gzip || form == Form::zstd) {
        const auto consumed = begin_member(form, rest);
        if (!consumed) return failure(consumed.error());
        at += *consumed;
        look_at_size_ = 0;
        continue;
      }
      const Extent extent = extent_of(form, rest, may_grow);
      if (extent.state == Extent::State::need_more) {
        look_at_size_ = 2 * rest.size();
        break;
      }
      sink_(rest.first(extent.size));
      at += extent.size;
      look_at_size_ = 0;
    }
    pending_.consume(at);
    return {};
  }

  static Extent extent_of(Form form, ByteView rest, bool may_grow) {
    Extent extent{Extent::State::need_more};
    if (form == Form::unknown_yet) return extent;
    if (form == Form::json) {
      extent = json_extent(rest.data(), rest.data() + rest.size(), may_grow);
    } else if (form == Form::kpl) {
      extent = kpl_extent(rest, may_grow);
    }
    const bool is_line = form == Form::line || extent.state == Extent::State::not_this_form;
    return is_line ? line_extent(rest, may_grow) : extent;
  }

  Result<size_t, ObjectError> begin_member(Form form, ByteView bytes) {
    if (depth_ + 1 == kLevelsMax) return failure(ObjectError::too_deep);
    if (!inside_) inside_ = std::make_unique<Level>(sink_, record_bytes_max_, depth_ + 1);
    member_.emplace(form);
    return inflate(bytes);
  }

  const Sink& sink_;
  const size_t record_bytes_max_;
  const uint32_t depth_;
  ByteBuffer pending_;       // from the beginning of a record on
  size_t look_at_size_ = 0;  // pending_ is looked at when it has this size
  std::optional<Member> member_;
  std::unique_ptr<Level> inside_;
  ByteBuffer out_;
};

ObjectReader::ObjectReader(Sink sink, size_t record_bytes_max)
    : sink_(std::move(sink)), outermost_(std::make_unique<Level>(sink_, record_bytes_max, 0)) {}
ObjectReader::~ObjectReader() = default;

Result<void, ObjectError> ObjectReader::add(ByteView bytes) { return outermost_->add(bytes); }
Result<void, ObjectError> ObjectReader::finish() { return outermost_->finish(); }

}  // namespace penstock::kinesis_format
