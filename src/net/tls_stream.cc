#include "net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>

namespace penstock::net {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

error_code broken() { return {EPROTO, boost::system::system_category()}; }

std::string reason_of(int ssl_error) {
  if (ssl_error == SSL_ERROR_SYSCALL && ERR_peek_error() == 0) return "connection reset";
  if (ssl_error == SSL_ERROR_ZERO_RETURN) return "closed by the peer";
  const unsigned long code = ERR_peek_error();
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "TLS error " + std::to_string(code);
}

}  // namespace

TlsStream::TlsStream(asio::ip::tcp::socket socket, std::shared_ptr<const TlsContext> context)
    : Stream(peer_name(socket)),
      socket_(std::move(socket)),
      context_(std::move(context)),
      ssl_(SSL_new(context_->native())) {
  tune(socket_);
  if (ssl_ != nullptr) {
    SSL_set_fd(ssl_, socket_.native_handle());
    SSL_set_accept_state(ssl_);
  }
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

asio::awaitable<error_code> TlsStream::await_wanted(int ssl_error) {
  if (closed_) co_return error_code(asio::error::operation_aborted);
  if (ssl_error == SSL_ERROR_WANT_READ) {
    auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
    co_return error;
  }
  if (ssl_error == SSL_ERROR_WANT_WRITE) {
    auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, kAwait);
    co_return error;
  }
  co_return broken();
}

asio::awaitable<Result<size_t, error_code>> TlsStream::receive(std::span<uint8_t> room,
                                                               bool looks) {
  return receive_from(socket_, room, looks);
}

asio::awaitable<Result<void, std::string>> TlsStream::handshake() {
  if (ssl_ == nullptr) co_return failure(std::string("out of memory"));
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) co_return Result<void, std::string>{};
    const int ssl_error = SSL_get_error(ssl_, result);
    if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE) {
      co_return failure(reason_of(ssl_error));
    }
    const error_code error = co_await await_wanted(ssl_error);
    if (error) co_return failure(error.message());
  }
}

asio::awaitable<error_code> TlsStream::wait_readable() {
  if (end_is_known_ || SSL_has_pending(ssl_) == 1) co_return error_code();
  auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
  co_return error;
}

// What OpenSSL has taken off the socket and not given out. Of a record that it has not decrypted it
// does not say how long it is: the longest.
size_t TlsStream::bytes_within() const {
  constexpr size_t kRecordMax = SSL3_RT_MAX_PLAIN_LENGTH;
  const auto decrypted = static_cast<size_t>(SSL_pending(ssl_));
  return decrypted == 0 && SSL_has_pending(ssl_) == 1 ? kRecordMax : decrypted;
}

asio::awaitable<error_code> TlsStream::wait_for_bytes(size_t bytes) {
  const size_t within = bytes_within();
  if (end_is_known_ || bytes <= within) co_return error_code();
  co_return co_await wait_for_bytes_of(socket_, bytes - within);
}

size_t TlsStream::bytes_waiting() { return bytes_within() + bytes_waiting_of(socket_); }

asio::awaitable<Result<size_t, error_code>> TlsStream::read_some(std::span<uint8_t> room) {
  size_t filled = 0;
  for (;;) {
    if (closed_) co_return failure(error_code(asio::error::operation_aborted));
    ERR_clear_error();
    size_t got = 0;
    const int result = SSL_read_ex(ssl_, room.data() + filled, room.size() - filled, &got);
    if (result == 1) {
      // One call gives one record (16 KiB); going on until the socket is dry saves coroutine hops.
      filled += got;
      if (filled == room.size()) co_return filled;
      continue;
    }
    const int ssl_error = SSL_get_error(ssl_, result);
    if (filled > 0) {
      // The next call meets the same end again, and nobody may wait for the socket to tell of it:
      // the peer's close_notify has been taken off it.
      end_is_known_ = ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE;
      co_return filled;
    }
    if (ssl_error == SSL_ERROR_ZERO_RETURN) co_return size_t{0};
    const error_code error = co_await await_wanted(ssl_error);
    if (error) co_return failure(error);
  }
}

asio::awaitable<error_code> TlsStream::write(ByteView bytes) {
  while (!bytes.empty()) {
    if (closed_) co_return error_code(asio::error::operation_aborted);
    ERR_clear_error();
    size_t put = 0;
    const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &put);
    if (result == 1) {
      bytes = bytes.subspan(put);
      continue;
    }
    const error_code error = co_await await_wanted(SSL_get_error(ssl_, result));
    if (error) co_return error;
  }
  co_return error_code();
}

asio::awaitable<void> TlsStream::end_writing() {
  if (!closed_) {
    ERR_clear_error();
    (void)SSL_shutdown(
        ssl_);  // one small alert: it fits into the socket or the peer is gone anyway
    error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }
  co_return;
}

void TlsStream::close() {
  probe_.forget();
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
}

std::unique_ptr<Stream> make_stream(asio::ip::tcp::socket socket,
                                    std::shared_ptr<const TlsContext> tls) {
  if (tls) return std::make_unique<TlsStream>(std::move(socket), std::move(tls));
  return std::make_unique<TcpStream>(std::move(socket));
}

}  // namespace penstock::net
