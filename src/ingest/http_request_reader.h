// HttpRequestReader: bytes of a connection to HTTP/1.1 requests, one after the other. The head goes
// by a small buffer of its own; a body whose length is declared is read straight into the buffer
// that will be decoded, a chunked one by way of the small one.
//
//   for (;;) switch (reader.next()) {
//     need_bytes   read into free_space(), then commit()
//     head         head() is there: look at it; nothing of the body has been taken yet
//     need_room    grow_body(wanted_body_capacity()), paid for
//     message      take_body(), answer, start_next()
//   }
//
// Pure: no I/O, no clock. Thread: none of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::ingest {

enum class HttpRequestError : uint8_t {
  bad_request,     // not HTTP/1: 400
  head_too_large,  // 431
  body_too_large,  // 413
};
[[nodiscard]] std::string_view to_string(HttpRequestError error);

struct HttpHead {
  enum class Method : uint8_t { post_or_put, head, other };
  Method method = Method::other;
  std::string path;  // without the query
  std::string content_type;
  std::string content_encoding;  // lower case; "identity" when not given
  std::string authorization;
  bool keep_alive = true;
  bool expects_continue = false;
  std::optional<uint64_t> content_length;  // nullopt: chunked
};

class HttpRequestReader {
 public:
  static constexpr size_t kHeadBytesMax = 16_KiB;

  explicit HttpRequestReader(size_t body_bytes_max);
  ~HttpRequestReader();

  enum class Progress : uint8_t { need_bytes, head, need_room, message };
  // After an error the reader is spent: the connection must be closed.
  [[nodiscard]] Result<Progress, HttpRequestError> next();

  [[nodiscard]] std::span<uint8_t> free_space();
  void commit(size_t n);

  [[nodiscard]] const HttpHead& head() const { return head_; }
  [[nodiscard]] size_t wanted_body_capacity() const;
  void grow_body(size_t capacity) { body_.reserve(capacity); }
  [[nodiscard]] size_t body_capacity() const { return body_.capacity(); }
  [[nodiscard]] ByteBuffer take_body() { return std::move(body_); }

  // Forgets the request; what came behind it stays.
  void start_next();
  // Bytes that no whole request has used up.
  [[nodiscard]] bool is_idle() const;
  // Nothing is held while idle; open() before the next read.
  void open() { buffer_.reserve(kHeadBytesMax); }
  void release() { buffer_.release(); }

 private:
  struct Parser;
  enum class State : uint8_t { head, body, message };
  Result<Progress, HttpRequestError> read_head();
  Result<Progress, HttpRequestError> read_fixed();
  Result<Progress, HttpRequestError> read_chunked();
  void describe_head();

  const size_t body_bytes_max_;
  State state_ = State::head;
  std::unique_ptr<Parser> parser_;
  HttpHead head_;
  ByteBuffer buffer_;  // heads, chunked bodies, and what came behind a body
  ByteBuffer body_;
};

}  // namespace penstock::ingest
