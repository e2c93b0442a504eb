#include "ingest/http_request_reader.h"

#include <algorithm>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <utility>

namespace penstock::ingest {

namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr size_t kFirstBody = 64_KiB;

// "0 CRLF CRLF": less than that is always still to come. Beast asserts that it is there when it is
// given a last chunk for the second time.
constexpr size_t kLastChunk = 5;

HttpRequestError error_of(const error_code& error) {
  if (error == http::error::header_limit) return HttpRequestError::head_too_large;
  if (error == http::error::body_limit) return HttpRequestError::body_too_large;
  return HttpRequestError::bad_request;
}

HttpHead::Method method_of(http::verb verb) {
  if (verb == http::verb::post || verb == http::verb::put) return HttpHead::Method::post_or_put;
  return verb == http::verb::head ? HttpHead::Method::head : HttpHead::Method::other;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool is_newline(uint8_t byte) { return byte == '\r' || byte == '\n'; }

}  // namespace

std::string_view to_string(HttpRequestError error) {
  switch (error) {
    case HttpRequestError::bad_request:
      return "bad_request";
    case HttpRequestError::head_too_large:
      return "head_too_large";
    case HttpRequestError::body_too_large:
      return "too_large";
  }
  return "bad_request";
}

struct HttpRequestReader::Parser {
  Parser() {
    beast.header_limit(kHeadBytesMax);
    beast.body_limit(boost::none);  // the reader counts itself
  }
  http::request_parser<http::buffer_body> beast;
};

HttpRequestReader::HttpRequestReader(size_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}
HttpRequestReader::~HttpRequestReader() = default;

Result<HttpRequestReader::Progress, HttpRequestError> HttpRequestReader::next() {
  switch (state_) {
    case State::head:
      return read_head();
    case State::body:
      return head_.content_length ? read_fixed() : read_chunked();
    case State::message:
      break;
  }
  return Progress::message;
}

Result<HttpRequestReader::Progress, HttpRequestError> HttpRequestReader::read_head() {
  if (!parser_) {
    // Some senders end a body with a newline that is not part of it (RFC 9112, 2.2).
    while (at_ < buffer_.size() && is_newline(buffer_.data()[at_])) ++at_;
    if (at_ == buffer_.size()) return Progress::need_bytes;
    parser_ = std::make_unique<Parser>();
  }
  error_code error;
  at_ += parser_->beast.put(boost::asio::const_buffer(unread().data(), unread().size()), error);
  if (error && error != http::error::need_more) return failure(error_of(error));
  if (!parser_->beast.is_header_done()) {
    if (unread().size() >= kHeadBytesMax) return failure(HttpRequestError::head_too_large);
    return Progress::need_bytes;
  }
  describe_head();
  state_ = State::body;
  return Progress::head;
}

void HttpRequestReader::describe_head() {
  const auto& parser = parser_->beast;
  const auto& message = parser.get();
  const std::string_view target(message.target().data(), message.target().size());
  head_.method = method_of(message.method());
  head_.path = target.substr(0, target.find('?'));
  head_.content_type = message[http::field::content_type];
  head_.content_encoding = message[http::field::content_encoding];
  std::transform(head_.content_encoding.begin(), head_.content_encoding.end(),
                 head_.content_encoding.begin(), lower);
  if (head_.content_encoding.empty()) head_.content_encoding = "identity";
  head_.authorization = message[http::field::authorization];
  head_.keep_alive = message.keep_alive();
  head_.expects_continue = message.version() >= 11 &&
                           http::token_list(message[http::field::expect]).exists("100-continue");
  head_.is_http_1_0 = message.version() < 11;
  head_.content_length.reset();
  head_.says_length = true;
  if (!parser.chunked()) {
    const auto declared = parser.content_length();
    head_.says_length = declared.has_value();
    head_.content_length = declared ? *declared : 0;  // a request without either has no body
  }
}

size_t HttpRequestReader::wanted_body_capacity() const {
  const size_t declared =
      head_.content_length ? static_cast<size_t>(*head_.content_length) : body_bytes_max_;
  return std::min(std::max(front_ + kFirstBody, 2 * body_.capacity()), front_ + declared);
}

std::optional<HttpRequestReader::Declared> HttpRequestReader::declared_body() const {
  if (!head_.content_length) return std::nullopt;
  const size_t capacity = front_ + static_cast<size_t>(*head_.content_length);
  const size_t here = std::max(body_.size(), front_) + unread().size();
  return Declared{capacity, capacity - std::min(capacity, here)};
}

void HttpRequestReader::grow_body(size_t capacity) {
  body_.reserve(capacity);
  if (body_.size() < front_) body_.resize(front_);
}

Result<HttpRequestReader::Progress, HttpRequestError> HttpRequestReader::read_fixed() {
  if (*head_.content_length > body_bytes_max_) return failure(HttpRequestError::body_too_large);
  const size_t size = front_ + static_cast<size_t>(*head_.content_length);
  if (body_.size() < front_) return Progress::need_room;
  const size_t early = std::min({unread().size(), size - body_.size(), body_.free_space().size()});
  body_.append(unread().first(early));
  at_ += early;
  if (body_.size() < size) {
    return body_.free_space().empty() ? Progress::need_room : Progress::need_bytes;
  }
  state_ = State::message;
  return Progress::message;
}

Result<HttpRequestReader::Progress, HttpRequestError> HttpRequestReader::read_chunked() {
  auto& parser = parser_->beast;
  while (!parser.is_done()) {
    if (unread().size() < kLastChunk) return Progress::need_bytes;
    const auto room = body_.free_space();
    auto& to = parser.get().body();
    to.data = room.data();
    to.size = room.size();
    error_code error;
    const size_t used =
        parser.put(boost::asio::const_buffer(unread().data(), unread().size()), error);
    if (to.data != nullptr) body_.commit(room.size() - to.size);
    at_ += used;
    if (error == http::error::need_buffer) {
      if (body_.capacity() >= front_ + body_bytes_max_) {
        return failure(HttpRequestError::body_too_large);
      }
      return Progress::need_room;
    }
    if (error == http::error::need_more) {
      if (used > 0) continue;
      // A chunk's head or the trailer, which must fit into the buffer whole.
      if (unread().size() >= kHeadBytesMax) return failure(HttpRequestError::head_too_large);
      return Progress::need_bytes;
    }
    if (error) return failure(error_of(error));
  }
  state_ = State::message;
  return Progress::message;
}

bool HttpRequestReader::body_fits_buffer() const {
  return state_ == State::body && head_.content_length && *head_.content_length > 0 &&
         *head_.content_length <= buffer_.capacity() - at_;
}

bool HttpRequestReader::is_body_undeclared() const {
  if (head_.says_length) return false;
  if (head_.is_http_1_0) return true;
  if (unread().empty()) return false;
  const uint8_t next = unread().front();
  return !is_newline(next) && (next < 'A' || next > 'Z');
}

size_t HttpRequestReader::bytes_behind_body() const {
  const size_t body = static_cast<size_t>(*head_.content_length);
  return unread().size() - std::min(unread().size(), body);
}

void HttpRequestReader::take_buffer() {
  const ByteView behind = unread().last(bytes_behind_body());
  ByteBuffer next;
  if (!behind.empty()) {
    next.reserve(std::max(kHeadBytesMax, behind.size()));
    next.append(behind);
    buffer_.resize(buffer_.size() - behind.size());
  }
  body_ = std::exchange(buffer_, std::move(next));
  front_ = std::exchange(at_, 0);
}

void HttpRequestReader::open(size_t capacity, size_t front) {
  buffer_.reserve(capacity);
  if (!buffer_.empty()) return;
  buffer_.resize(front);
  at_ = front;
}

void HttpRequestReader::release() {
  buffer_.release();
  at_ = 0;
}

std::span<uint8_t> HttpRequestReader::free_space() {
  if (state_ == State::body && head_.content_length) {
    const size_t missing = front_ + static_cast<size_t>(*head_.content_length) - body_.size();
    return body_.free_space().first(std::min(body_.free_space().size(), missing));
  }
  // What has been used becomes room again. A chunked body's pieces mostly end with the buffer.
  if (buffer_.free_space().empty() || (state_ == State::body && unread().size() < kLastChunk)) {
    buffer_.consume(at_);
    at_ = 0;
  }
  return buffer_.free_space();
}

void HttpRequestReader::commit(size_t n) {
  if (state_ == State::body && head_.content_length) {
    body_.commit(n);
  } else {
    buffer_.commit(n);
  }
}

void HttpRequestReader::start_next() {
  state_ = State::head;
  parser_.reset();
  body_.release();
  front_ = 0;
}

bool HttpRequestReader::is_idle() const {
  return state_ == State::head && !parser_ && unread().empty();
}

}  // namespace penstock::ingest
