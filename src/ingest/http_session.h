// HttpSession: one connection of an HTTP client. Reads a request, admits it, answers once it is as
// safe as the configuration asks, and only then reads the next: pipelined requests are answered in
// their order, and what is not admitted waits in the sender.
//
// Ownership and thread: see PeerSession.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "auth/access.h"
#include "ingest/http_answer.h"
#include "ingest/http_body.h"
#include "ingest/http_request_reader.h"
#include "ingest/peer_session.h"
#include "ingest/unanswered_requests.h"
#include "net/wait_limit.h"

namespace penstock::ingest {

struct HttpSettings final : SourceSettings {
  std::shared_ptr<const auth::Access> access;  // null: everybody is welcome
  size_t body_bytes_max = 64_MiB;
  nanoseconds ack_timeout = seconds(25);
  nanoseconds repeat_window{0};  // for requests without an answer; 0: they are stored again
};

// What all sessions of a source share; outlives them.
struct HttpShared {
  std::function<std::shared_ptr<const HttpSettings>()> settings;  // in force now
  std::atomic<bool> leaving{false};  // answers ask the client to reconnect, to another replica
  const std::shared_ptr<UnansweredRequests> unanswered = std::make_shared<UnansweredRequests>();
};

class HttpSession final : public PeerSession {
 public:
  HttpSession(Intake& intake, SessionSet& sessions, Accepted accepted, const HttpShared& shared);

  void half_close() override;

 private:
  // Why a request is refused: the answer's code, and a label of messages_refused (of auth_failures
  // for 401 and 403).
  struct Refusal {
    int status;
    std::string_view reason;
    std::string message;
  };
  using Checked = std::optional<Refusal>;

  boost::asio::awaitable<void> converse() override;
  boost::asio::awaitable<bool> serve_next();
  boost::asio::awaitable<bool> await_request();
  boost::asio::awaitable<bool> look_at_beginning();
  boost::asio::awaitable<bool> read_head();
  boost::asio::awaitable<Checked> read_body();
  boost::asio::awaitable<bool> prepare_body();
  [[nodiscard]] bool try_body_lease(size_t bytes);
  boost::asio::awaitable<bool> make_body_room(bool& is_continue_due);
  boost::asio::awaitable<void> say_continue(bool& is_due);
  boost::asio::awaitable<Result<size_t, boost::system::error_code>> read_more();
  boost::asio::awaitable<Checked> check_head();
  boost::asio::awaitable<Checked> check_sender();
  boost::asio::awaitable<bool> resize_body_lease(size_t bytes, memory::Purpose purpose);
  boost::asio::awaitable<Checked> take(ByteBuffer body, size_t front);
  // What became of the same request, when it was sent before.
  enum class FirstCopy : uint8_t { none, kept, not_yet_kept };
  boost::asio::awaitable<FirstCopy> find_first_copy(ByteView body);
  boost::asio::awaitable<Checked> take_new(ByteBuffer body, size_t front);
  boost::asio::awaitable<Checked> decode_json(ByteBuffer body, size_t front, HttpBody& decoded,
                                              memory::MemoryLease& lease);
  boost::asio::awaitable<Checked> decode_otlp(ByteBuffer body, HttpBody& decoded,
                                              memory::MemoryLease& lease);
  void label(HttpBody& decoded, int64_t received_ns) const;
  boost::asio::awaitable<Checked> append(HttpBody decoded, memory::MemoryLease lease);
  boost::asio::awaitable<bool> answer(HttpAnswer answer);
  boost::asio::awaitable<bool> arrives();
  boost::asio::awaitable<bool> refuse_request(Refusal refusal, bool close);
  boost::asio::awaitable<void> linger();
  Refusal no_room(std::string_view reason) const;
  static Refusal too_many_records();

  const HttpShared& shared_;
  std::shared_ptr<const HttpSettings> settings_;  // those in force when the request came
  UnansweredRequests::Claim claim_;               // of the request under way

  HttpRequestReader reader_;
  size_t expected_bytes_ = 0;       // of a request: those of a sender are alike
  memory::MemoryLease head_lease_;  // what the reader's first buffer costs
  memory::MemoryLease body_lease_;
  std::shared_ptr<net::WaitLimit> limit_;
  HttpBodyKind kind_ = HttpBodyKind::json;
  uint32_t events_ = 0;      // of the request being answered
  uint32_t malformed_ = 0;   // likewise
  bool found_none_ = false;  // likewise: OTLP without a log record
  bool has_begun_ = false;   // the connection's first byte has come
  bool idle_ = false;        // between requests
  bool half_closing_ = false;

  PeerDeadline head_deadline_{*this, "message_timeout"};
  PeerDeadline answer_deadline_{*this, "answer_timeout"};
  PeerDeadline linger_deadline_{*this, ""};
};

}  // namespace penstock::ingest
