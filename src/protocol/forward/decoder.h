// Decoder: the bytes of a Forward connection in, messages out. Resumes at any byte and looks at no
// byte twice, so that a byte costs the same whether frames arrive whole or in pieces. Forward
// protocol v1: github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
//
//   [tag, time, record, option?]        Message
//   [tag, [[time, record], …], option?] Forward
//   [tag, str or bin, option?]          PackedForward: entries back to back, perhaps compressed
//   nil                                 heartbeat, ignored
//
// It owns the buffer that bytes are read into, but its user decides about memory:
//
//   while wanted_capacity() > capacity():  borrow that much, then grow()
//   read into free_space(), commit() what came, take messages by next() until there is none
//
// What the entries hold is not looked at, see message_batch.h, but where it tells one form from
// another: [tag, [time, metadata], record] from two entries, and a message whose time is none from
// entries with an option.
//
// Thread: none of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/inflate.h"
#include "codec/msgpack_cursor.h"

namespace penstock::protocol::forward {

enum class DecodeError : uint8_t {
  not_msgpack,         // a byte that no msgpack value starts with
  wrong_shape,         // valid msgpack so far, not a Forward message
  json_not_supported,  // starts with { or [
  tls_on_plain_port,   // starts as a TLS record does
  http_on_this_port,   // starts as an HTTP request does
  proxy_protocol,      // starts with a PROXY header, which is not expected
  message_too_large,   // declared or accumulated size, or a number of items that cannot fit
  tag_too_long,
  option_too_large,
  too_deep,             // the option is nested deeper than codec::kNestingMax
  metrics_or_traces,    // fluent_signal other than 0: not logs
  unknown_compression,  // option compressed is neither text, gzip nor zstd
};
[[nodiscard]] std::string_view to_string(DecodeError error);

enum class Mode : uint8_t { message, forward, packed_forward };

struct Message {
  Mode mode = Mode::packed_forward;
  std::string tag;

  // The entries [time, record] back to back (compressed, if so) are
  // storage[entries_offset, + entries_size).
  ByteBuffer storage;
  size_t entries_offset = 0;
  size_t entries_size = 0;
  codec::Compression compression = codec::Compression::none;

  // True: storage was the decoder's own buffer, and what was borrowed for that now pays for this.
  // False: it is a copy, made just now.
  bool storage_was_buffer = false;

  bool has_chunk = false;     // the sender waits for an ack
  std::string chunk;          // to be echoed byte for byte
  bool chunk_is_bin = false;  // as bin, else as str
  uint64_t size_hint = 0;     // number of events, as the sender says; 0: does not say

  [[nodiscard]] ByteView entries() const {
    return storage.view().subspan(entries_offset, entries_size);
  }
  // Puts what the entries inflated to in their place.
  void set_inflated(ByteBuffer inflated) {
    entries_offset = 0;
    entries_size = inflated.size();
    storage = std::move(inflated);
    storage_was_buffer = false;
    compression = codec::Compression::none;
  }
};

class Decoder {
 public:
  struct Options {
    size_t message_bytes_max = 64_MiB;
  };
  explicit Decoder(Options options) : options_(options) {}

  // The capacity below which reading more makes no sense: all of the message, as soon as its size
  // is declared; else a step more than there is. Never above capacity_max().
  [[nodiscard]] size_t wanted_capacity() const;
  // Of a message that declares its size: how much of it has not come. After next() found none.
  [[nodiscard]] std::optional<size_t> missing() const;
  [[nodiscard]] size_t capacity() const { return buffer_.capacity(); }
  [[nodiscard]] size_t capacity_max() const;
  void grow(size_t capacity) { buffer_.reserve(capacity); }

  [[nodiscard]] std::span<uint8_t> free_space() { return buffer_.free_space(); }
  void commit(size_t count) { buffer_.commit(count); }

  // The next message, or nullopt when more bytes are needed (and free_space() is as large as it
  // gets). After an error the decoder is spent: the connection must be closed.
  [[nodiscard]] Result<std::optional<Message>, DecodeError> next();

  // Bytes of a message that is not complete.
  [[nodiscard]] size_t buffered() const { return buffer_.size() - start_; }
  // Gives the memory back. Only while nothing is buffered.
  void release_buffer();

 private:
  enum class Phase : uint8_t { start, tag, body, packed, forward, time, record, option };
  enum class Outcome : uint8_t { go_on, need_bytes };
  using Turn = Result<Outcome, DecodeError>;

  // Of the message, from at_ on.
  [[nodiscard]] ByteView rest() const { return buffer_.view().subspan(start_ + at_); }
  Turn turn();
  Turn take_start();
  Turn refuse_start();
  Turn take_tag();
  Turn take_body();
  Turn take_pair(size_t head_size);
  Turn begin_entries(size_t head_size);
  Turn begin_message_mode();
  Turn take_packed();
  Turn take_scanned();
  Turn scan();
  Turn take_option();
  Result<void, DecodeError> read_option(ByteView option);
  void reconsider_mode();
  Turn need(uint64_t bytes);
  bool complete() const { return phase_ == Phase::option && parts_left_ == 0; }
  void begin_scan(Phase phase, codec::MsgpackScanner::TooDeep too_deep);
  Message hand_over();
  void begin_message();

  Options options_;
  ByteBuffer buffer_;
  size_t start_ = 0;  // where the present message begins; all offsets below count from there

  Phase phase_ = Phase::start;
  size_t at_ = 0;            // what stands before it has been dealt with
  size_t needed_ = 0;        // bytes of this message that must be there to get on
  uint32_t parts_left_ = 0;  // of the outer array
  size_t packed_size_ = 0;
  size_t body_at_ = 0;  // what stands behind the tag
  size_t entries_begin_ = 0;
  size_t entries_end_ = 0;
  codec::MsgpackScanner scanner_;
  Message message_;  // what is known of it
};

}  // namespace penstock::protocol::forward
