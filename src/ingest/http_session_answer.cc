// How a session answers, and whether the answer arrives. See http_session.h.
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "ingest/http_session.h"
#include "protocol/otlp/logs_response.h"

namespace penstock::ingest {

namespace asio = boost::asio;
namespace otlp = protocol::otlp;

namespace {

constexpr seconds kAnswerTime{60};  // for the peer to take an answer
constexpr seconds kLingerTime{10};  // for the peer to hang up behind a last answer
constexpr seconds kArrivalTime{1};  // for a peer that has hung up to take its answer after all
constexpr milliseconds kArrivalLook{10};

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

HttpSession::Refusal HttpSession::too_many_records() {
  return {413, "too_large", "the body's records are larger than max_body"};
}

HttpSession::Refusal HttpSession::no_room(std::string_view reason) const {
  return {503, reason, "not now: send it again"};
}

asio::awaitable<void> HttpSession::say_continue(bool& is_due) {
  if (!std::exchange(is_due, false)) co_return;
  answer_deadline_.in(kAnswerTime);
  (void)co_await stream_->write(as_bytes(kContinue));  // a dead peer shows in the next read
  answer_deadline_.off();
}

asio::awaitable<bool> HttpSession::refuse_request(Refusal refusal, bool close) {
  if (closed()) co_return false;
  const bool is_auth = refusal.status == 401 || refusal.status == 403;
  is_auth ? refuse_client(refusal.reason) : refuse(refusal.reason);
  HttpAnswer said;
  said.status = refusal.status;
  said.close = close;
  if (kind_ == HttpBodyKind::json) {
    said.content_type = "text/plain";
    said.body = refusal.message + "\n";
  } else {
    const auto encoding = kind_ == HttpBodyKind::otlp_protobuf ? otlp::LogsEncoding::protobuf
                                                               : otlp::LogsEncoding::json;
    said.content_type = otlp::content_type(encoding);
    said.body = otlp::error_body(encoding, refusal.message);
  }
  co_return co_await answer(std::move(said));
}

// True: the next request may come.
asio::awaitable<bool> HttpSession::answer(HttpAnswer answer) {
  answer.close = answer.close || half_closing_ || shared_.leaving || !reader_.head().keep_alive;
  answer.no_content = reader_.head().method == HttpHead::Method::head;
  const std::string bytes = encode(answer);
  const bool has_hung_up = claim_ && stream_->hang_up_probe()->has_hung_up();
  claim_.answering();
  answer_deadline_.in(kAnswerTime);
  const auto error = co_await stream_->write(as_bytes(bytes));
  answer_deadline_.off();
  bool has_arrived = !error && !closed();
  if (has_arrived && has_hung_up) has_arrived = co_await arrives();
  if (has_arrived) claim_.answered();
  claim_ = {};
  if (!has_arrived || closed()) co_return false;
  if (answer.close) {
    co_await linger();
    co_return false;
  }
  reader_.start_next();
  co_return true;
}

// A peer that has ended its side takes its answer, or is no longer there: its system says which.
asio::awaitable<bool> HttpSession::arrives() {
  const auto probe = stream_->hang_up_probe();
  const SteadyTime end = std::chrono::steady_clock::now() + kArrivalTime;
  asio::steady_timer timer(thread_.context());
  while (std::chrono::steady_clock::now() < end) {
    const bool is_confirmed = !probe->has_unconfirmed();
    if (probe->is_broken()) co_return false;
    if (is_confirmed) co_return true;
    timer.expires_after(kArrivalLook);
    (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return false;
}

// Closing while the peer still sends would take our answer back from its receive buffer.
asio::awaitable<void> HttpSession::linger() {
  body_lease_.release();
  linger_deadline_.in(kLingerTime);
  co_await stream_->end_writing();
  std::array<uint8_t, 4096> discarded;
  for (;;) {
    const auto got = co_await stream_->read_some(discarded);
    if (!got || *got == 0) break;
  }
  linger_deadline_.off();
}

}  // namespace penstock::ingest
