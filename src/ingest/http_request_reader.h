// HttpRequestReader: bytes of a connection to HTTP/1.1 requests, one after the other. A body
// whose length is declared is read straight into the buffer that will be decoded: one of its own,
// or its head's, where that is large enough and taken for it. A chunked one goes by way of the
// head's.
//
//   for (;;) switch (reader.next()) {
//     need_bytes   read into free_space(), then commit()
//     head         head() is there: look at it; nothing of the body has been taken yet, and here is
//                  the time to leave_front()
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
  std::optional<uint64_t> content_length;  // nullopt: chunked; 0 when nothing is said
  bool says_length = false;                // Content-Length, or chunked
  bool is_http_1_0 = false;
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
  // From now on; before anything of a body has been taken.
  void limit_body(size_t bytes_max) { body_bytes_max_ = bytes_max; }
  // The body shall stand behind so many bytes of room; for the next request there is none.
  void leave_front(size_t bytes) { front_ = bytes; }
  // Never more than twice what has come of the body, whatever is declared.
  [[nodiscard]] size_t wanted_body_capacity() const;
  void grow_body(size_t capacity);
  // Of a body whose length is declared: what there is in all, with its front, and how much of it
  // has not come.
  struct Declared {
    size_t capacity = 0;
    size_t missing = 0;
  };
  [[nodiscard]] std::optional<Declared> declared_body() const;
  // front() bytes without meaning, then the body.
  [[nodiscard]] ByteBuffer take_body() { return std::move(body_); }
  [[nodiscard]] size_t front() const { return front_; }

  // Whether the body, whose length is declared, has its place in the head's buffer. Then
  // take_buffer() makes that the body's, with all that lies before the body as its front; what came
  // behind the body, bytes_behind_body(), moves to a new buffer, of kHeadBytesMax at least.
  [[nodiscard]] bool body_fits_buffer() const;
  [[nodiscard]] size_t bytes_behind_body() const;
  // A request that says no length has no body: nothing but another request can follow its head.
  [[nodiscard]] bool is_body_undeclared() const;
  void take_buffer();

  // Forgets the request; what came behind it stays.
  void start_next();
  // There are no bytes that no whole request has used up.
  [[nodiscard]] bool is_idle() const;
  // Nothing is held while idle; open() before the next read. The head will stand behind `front`
  // bytes of room.
  void open(size_t capacity = kHeadBytesMax, size_t front = 0);
  void release();

 private:
  struct Parser;
  enum class State : uint8_t { head, body, message };
  [[nodiscard]] ByteView unread() const { return buffer_.view().subspan(at_); }
  Result<Progress, HttpRequestError> read_head();
  Result<Progress, HttpRequestError> read_fixed();
  Result<Progress, HttpRequestError> read_chunked();
  void describe_head();

  size_t body_bytes_max_;
  State state_ = State::head;
  std::unique_ptr<Parser> parser_;
  HttpHead head_;
  ByteBuffer buffer_;  // heads, chunked bodies, and what came behind a body
  size_t at_ = 0;      // of buffer_: what stands before it has been used
  ByteBuffer body_;    // behind front_ bytes
  size_t front_ = 0;
};

}  // namespace penstock::ingest
