#include "ingest/http_session.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>

#include "codec/event_time.h"
#include "ingest/acquire_memory.h"
#include "ingest/inflating.h"
#include "ingest/work_limits.h"
#include "net/run_aside.h"
#include "protocol/http/json_body.h"
#include "protocol/otlp/logs_response.h"

namespace penstock::ingest {

namespace asio = boost::asio;
namespace otlp = protocol::otlp;
namespace json = protocol::http;

namespace {

constexpr seconds kHeadTime{60};  // for all of a request's head

constexpr size_t kFirstReadMax = 1_MiB;

size_t json_front(size_t body_size) { return front_of(HttpBodyKind::json, body_size); }

}  // namespace

HttpSession::HttpSession(Intake& intake, SessionSet& sessions, Accepted accepted,
                         const HttpShared& shared)
    : PeerSession(intake, sessions, std::move(accepted),
                  {.message = "http request rejected", .client = "http client rejected"}),
      shared_(shared),
      settings_(shared.settings()),
      reader_(settings_->body_bytes_max),
      limit_(std::make_shared<net::WaitLimit>(thread_.context().get_executor())) {}

// A client that is between two requests learns of it by our FIN; one that is in the middle of a
// request gets its answer first.
void HttpSession::half_close() {
  half_closing_ = true;
  if (!idle_ || closed()) return;
  asio::co_spawn(thread_.context(), stream_->end_writing(),
                 [self = shared_from_this()](const std::exception_ptr&) {});
}

asio::awaitable<void> HttpSession::converse() {
  const net::IoThread::Watch answer(thread_, answer_deadline_);
  const net::IoThread::Watch lingering(thread_, linger_deadline_);
  const net::IoThread::Watch head(thread_, head_deadline_);
  while (co_await serve_next()) continue;
}

// False: the connection has ended.
asio::awaitable<bool> HttpSession::serve_next() {
  if (!co_await await_request()) co_return false;
  if (!co_await read_head()) co_return false;
  settings_ = shared_.settings();
  reader_.limit_body(settings_->body_bytes_max);
  const bool fresh = !half_closing_;
  events_ = malformed_ = 0;
  found_none_ = false;
  limit_->start(settings_->ack_timeout);
  auto refusal = co_await check_head();
  if (!refusal && !fresh) refusal = Refusal{503, "draining", "draining: reconnect"};
  if (!refusal && !co_await prepare_body()) refusal = no_room("memory");
  if (!refusal) refusal = co_await read_body();
  if (refusal) {
    limit_->stop();
    // What is left of the body is not worth reading: the connection ends.
    co_return co_await refuse_request(std::move(*refusal), true);
  }
  if (closed()) co_return false;
  limit_->start(settings_->ack_timeout);
  ByteBuffer body = reader_.take_body();
  const size_t front = std::min(reader_.front(), body.size());  // an empty body has none
  refusal = co_await take(std::move(body), front);
  limit_->stop();
  body_lease_.release();
  if (refusal || closed()) claim_ = {};
  if (closed()) co_return false;
  if (refusal) co_return co_await refuse_request(std::move(*refusal), false);
  HttpAnswer ok;
  if (kind_ == HttpBodyKind::json) {
    ok.body = "{\"events\":" + std::to_string(events_) +
              ",\"malformed\":" + std::to_string(malformed_) + "}\n";
  } else {
    const auto encoding = kind_ == HttpBodyKind::otlp_protobuf ? otlp::LogsEncoding::protobuf
                                                               : otlp::LogsEncoding::json;
    ok.body = otlp::success_body(encoding, malformed_, found_none_);
    ok.content_type = otlp::content_type(encoding);
  }
  co_return co_await answer(std::move(ok));
}

// Between requests nothing is held and nothing has a deadline.
asio::awaitable<bool> HttpSession::await_request() {
  if (reader_.is_idle()) {
    reader_.release();
    head_lease_.release();
    rest();
    idle_ = true;
    const auto error = co_await stream_->wait_readable();
    idle_ = false;
    if (error || closed()) co_return false;
    if (!co_await look_at_beginning()) co_return false;
    // Head and body at once, when they are like the last ones; large ones are better off with a
    // buffer of their own.
    size_t bytes = expected_bytes_ + expected_bytes_ / 8;
    if (bytes > kFirstReadMax) bytes = 0;
    size_t front = front_of(HttpBodyKind::json, bytes);
    size_t capacity = std::max(front + bytes, HttpRequestReader::kHeadBytesMax);
    head_lease_ = intake_.memory().try_acquire(capacity);
    if (!head_lease_) {
      front = 0;
      capacity = HttpRequestReader::kHeadBytesMax;
      head_lease_ = co_await acquire_memory(intake_.memory(), capacity);
    }
    if (closed()) co_return false;
    reader_.open(capacity, front);
  }
  co_return true;
}

// TLS and PROXY headers on a port that expects neither.
asio::awaitable<bool> HttpSession::look_at_beginning() {
  if (std::exchange(has_begun_, true) || settings_->tls != nullptr) co_return true;
  const auto opening = co_await look_ahead();
  if (opening != protocol::Opening::tls && opening != protocol::Opening::proxy) co_return true;
  refuse_opening(opening);
  co_return false;
}

asio::awaitable<Result<size_t, boost::system::error_code>> HttpSession::read_more() {
  const memory::MemoryLease& lease = body_lease_ ? body_lease_ : head_lease_;
  const auto got = co_await read_some(reader_.free_space(), lease);
  if (got && *got > 0) reader_.commit(*got);
  co_return got;
}

// A head that takes longer than a minute in all is no sender's.
asio::awaitable<bool> HttpSession::read_head() {
  head_deadline_.in(kHeadTime);
  for (;;) {
    const auto progress = reader_.next();
    if (!progress) {
      head_deadline_.off();
      kind_ = HttpBodyKind::json;
      const bool is_large = progress.error() == HttpRequestError::head_too_large;
      Refusal refusal{is_large ? 431 : 400, to_string(progress.error()),
                      is_large ? "the head is larger than 16 KiB" : "this is not HTTP/1.1"};
      co_return co_await refuse_request(std::move(refusal), true);
    }
    if (*progress == HttpRequestReader::Progress::head) break;
    const auto got = co_await read_more();
    if (!got || *got == 0) {
      if (!reader_.is_idle()) refuse("truncated");
      co_return false;
    }
  }
  head_deadline_.off();
  co_return !closed();
}

asio::awaitable<HttpSession::Checked> HttpSession::check_head() {
  const HttpHead& head = reader_.head();
  const auto kind = body_kind(head);
  kind_ = kind ? *kind : HttpBodyKind::json;
  if (head.method != HttpHead::Method::post_or_put) {
    co_return Refusal{405, "method", "send logs by POST or PUT"};
  }
  if (!kind) co_return Refusal{404, "path", std::string(kind.error())};
  if (reader_.is_body_undeclared()) {
    co_return Refusal{411, "no_length", "Content-Length or chunked is missing"};
  }
  if (!codec::compression_named(head.content_encoding)) {
    co_return Refusal{415, "content_encoding",
                      "Content-Encoding may be gzip, deflate, zstd, snappy"};
  }
  if (head.content_type.starts_with("application/grpc")) {
    co_return Refusal{415, "content_type", "OTLP is taken over HTTP, not gRPC"};
  }
  if (head.content_type.find("msgpack") != std::string::npos) {
    co_return Refusal{415, "content_type",
                      "logs are taken as JSON, not msgpack (Fluent Bit: `format json`)"};
  }
  auto refusal = co_await check_sender();
  if (!refusal && head.content_length && *head.content_length > settings_->body_bytes_max) {
    refusal = Refusal{413, "too_large", "the body is larger than max_body"};
  }
  co_return refusal;
}

asio::awaitable<HttpSession::Checked> HttpSession::check_sender() {
  const std::shared_ptr<const auth::Access> access = settings_->access;
  if (!access) co_return std::nullopt;
  const auth::Judgement judgement =
      co_await access->judge(reader_.head().authorization, stream_->peer_address(), *limit_);
  switch (judgement) {
    case auth::Judgement::granted:
      co_return std::nullopt;
    case auth::Judgement::missing:
      co_return Refusal{401, "missing_credentials", "Authorization is missing"};
    case auth::Judgement::wrong:
      co_return Refusal{401, "wrong_credentials", "Authorization is wrong"};
    case auth::Judgement::not_listed:
      co_return Refusal{403, "service_account", "this service account may not send logs"};
    case auth::Judgement::unreachable:
      break;
  }
  co_return no_room("token_review");
}

asio::awaitable<HttpSession::Checked> HttpSession::take(ByteBuffer body, size_t front) {
  const ByteView content = body.view().subspan(front);
  const FirstCopy first = co_await find_first_copy(content);
  if (first == FirstCopy::kept) co_return std::nullopt;
  if (first == FirstCopy::not_yet_kept) co_return no_room("ack_timeout");
  co_return co_await take_new(std::move(body), front);
}

asio::awaitable<HttpSession::FirstCopy> HttpSession::find_first_copy(ByteView body) {
  const nanoseconds window = settings_->repeat_window;
  if (window.count() == 0 || body.empty()) co_return FirstCopy::none;
  const HttpHead& head = reader_.head();
  std::string other;
  for (const std::string* part :
       {&head.path, &head.content_type, &head.content_encoding, &head.authorization}) {
    other += *part + '\0';
  }
  const Hash128 key = UnansweredRequests::key_of(stream_->peer(), other, body);
  const auto& probe = stream_->hang_up_probe();
  for (;;) {
    const auto decided = std::make_shared<net::Event>(thread_.context().get_executor());
    claim_ = shared_.unanswered->claim(key, probe, decided);
    if (!claim_.is_undecided()) break;
    limit_->watch(decided);
    co_await decided->wait();
    if (limit_->passed() || closed()) co_return FirstCopy::not_yet_kept;
  }
  if (claim_) {
    claim_.kept(window);
    const auto request = claim_.request();
    const auto known = std::make_shared<net::Event>(thread_.context().get_executor());
    request->watch(known);
    limit_->watch(known);
    co_await known->wait();
    const auto outcome = request->outcome();
    if (!outcome) co_return FirstCopy::not_yet_kept;
    if (*outcome == spool::AppendOutcome::done) {
      kind_ = request->kind;
      events_ = request->events;
      malformed_ = request->malformed;
      co_return FirstCopy::kept;
    }
  }
  claim_ = shared_.unanswered->begin(key, probe);
  co_return FirstCopy::none;
}

asio::awaitable<HttpSession::Checked> HttpSession::take_new(ByteBuffer body, size_t front) {
  const auto compression = codec::compression_named(reader_.head().content_encoding);
  if (*compression != codec::Compression::none) {
    const FrontOf inflated_front = kind_ == HttpBodyKind::json ? json_front : nullptr;
    const InflatePlace place{intake_.memory(), thread_};
    auto inflated = co_await inflate(place, *compression, body.view().subspan(front), body_lease_,
                                     settings_->body_bytes_max, limit_.get(), inflated_front);
    if (limit_->passed()) co_return no_room("memory");
    if (!inflated) {
      const bool is_large = inflated.error() == codec::InflateError::too_large;
      co_return Refusal{is_large ? 413 : 400, codec::to_string(inflated.error()),
                        is_large ? "the body is larger than max_body when inflated"
                                 : "the body cannot be inflated"};
    }
    body = std::move(inflated->bytes);
    front = inflated->front;
    body_lease_ = std::move(inflated->lease);
  }
  kind_ = body_kind(kind_, reader_.head().content_type, body.view().subspan(front));
  if (kind_ == HttpBodyKind::json) {
    switch (envelope_of(body.view().subspan(front))) {
      case JsonEnvelope::none:
        break;
      case JsonEnvelope::logs:
        kind_ = HttpBodyKind::otlp_json;
        body.consume(front);
        break;
      case JsonEnvelope::logs_in_array:
        co_return Refusal{400, "not_otlp", "OTLP requests go to /v1/logs, one by one"};
      case JsonEnvelope::other_signal:
        co_return Refusal{400, "other_signal",
                          std::string(otlp::message_of(otlp::LogsError::other_signal))};
    }
  }
  const bool is_empty = body.size() == (kind_ == HttpBodyKind::json ? front : 0);
  HttpBody decoded;
  memory::MemoryLease lease;
  Checked refusal;
  if (kind_ == HttpBodyKind::json) {
    refusal = co_await decode_json(std::move(body), front, decoded, lease);
  } else {
    refusal = co_await decode_otlp(std::move(body), decoded, lease);
  }
  body_lease_.release();
  if (refusal) co_return refusal;
  events_ = decoded.events.event_count;
  malformed_ = decoded.malformed.event_count;
  if (events_ + malformed_ == 0) {
    found_none_ = !is_empty && kind_ != HttpBodyKind::json;
    if (found_none_) refuse("no_log_records");
    co_return std::nullopt;
  }
  co_return co_await append(std::move(decoded), std::move(lease));
}

// The body's buffer, and what pays for it, become the batch's.
asio::awaitable<HttpSession::Checked> HttpSession::decode_json(ByteBuffer body, size_t front,
                                                               HttpBody& decoded,
                                                               memory::MemoryLease& lease) {
  const int64_t now_ns = unix_nanoseconds(Clock::system().wall());
  // Which memory_limit has room for, and a segment of the spool.
  const size_t most = std::min(2 * settings_->body_bytes_max + 64_KiB, kEntryBytesMax);
  const bool is_long = is_long_work(body.size());
  json::JsonBodyDecoder decoder(std::move(body), front, {codec::event_time_of(now_ns), most});
  auto decode = [&] { return decoder.decode(); };
  auto make_room = [&] {
    decoder.make_room();
    return true;
  };
  for (;;) {
    const auto progress = co_await net::run_aside_if(is_long, thread_, decode);
    if (!progress && progress.error() == json::JsonBodyError::too_large)
      co_return too_many_records();
    if (!progress) co_return Refusal{400, "not_json", "the body does not parse"};
    if (*progress == json::JsonBodyDecoder::Progress::done) break;
    const size_t wanted = decoder.wanted_bytes();
    if (!co_await resize_body_lease(wanted, memory::Purpose::whole)) co_return no_room("memory");
    (void)co_await net::run_aside_if(is_long, thread_, make_room);
  }
  json::JsonBody entries = decoder.take();
  decoded = {std::move(entries.events), std::move(entries.malformed)};
  label(decoded, now_ns);
  lease = std::move(body_lease_);
  co_return std::nullopt;
}

asio::awaitable<HttpSession::Checked> HttpSession::decode_otlp(ByteBuffer body, HttpBody& decoded,
                                                               memory::MemoryLease& lease) {
  const int64_t now_ns = unix_nanoseconds(Clock::system().wall());
  // Body and entries together come to twice max_body at most, which memory_limit has room for.
  const size_t most = std::min(
      2 * std::max(settings_->body_bytes_max, body.size()) - body.size() + 64_KiB, kEntryBytesMax);
  const size_t usual = std::min(usual_entries_size(kind_, body.size()), most);
  const std::array<size_t, 2> attempts{usual, most};
  for (const size_t size_max : attempts) {
    lease.release();
    lease =
        co_await acquire_additional_memory(intake_.memory(), body_lease_, size_max, limit_.get());
    if (!lease) co_return no_room("memory");
    auto decode = [&] { return decode_otlp_body(kind_, body, now_ns, size_max); };
    auto entries = co_await net::run_aside_if(is_long_work(body.size()), thread_, decode);
    if (entries) {
      decoded = std::move(*entries);
      label(decoded, now_ns);
      co_return std::nullopt;
    }
    if (entries.error() != otlp::LogsError::too_large) {
      const bool is_other = entries.error() == otlp::LogsError::other_signal;
      co_return Refusal{400, is_other ? "other_signal" : "not_otlp",
                        std::string(otlp::message_of(entries.error()))};
    }
  }
  co_return too_many_records();
}

void HttpSession::label(HttpBody& decoded, int64_t received_ns) const {
  for (record::Batch* batch : {&decoded.events, &decoded.malformed}) {
    batch->source = intake_.source();
    batch->tag = kind_ == HttpBodyKind::json ? "http" : "otlp";
    batch->received_ns = received_ns;
  }
}

asio::awaitable<HttpSession::Checked> HttpSession::append(HttpBody decoded,
                                                          memory::MemoryLease lease) {
  const size_t malformed_cost = std::min(decoded.malformed.storage.capacity(), lease.bytes());
  if (malformed_ > 0) decoded.malformed.lease = lease.split(malformed_cost);
  lease.shrink(decoded.events.storage.capacity());
  decoded.events.lease = std::move(lease);
  Received received{std::move(decoded.events), std::nullopt, std::nullopt};
  if (malformed_ > 0) received.malformed = std::move(decoded.malformed);
  std::function<void(spool::AppendOutcome)> finished;
  if (claim_) {
    claim_.kept(settings_->repeat_window);
    const auto& request = claim_.request();
    request->kind = kind_;
    request->events = events_;
    request->malformed = malformed_;
    finished = [request](spool::AppendOutcome outcome) { request->finish(outcome); };
  }
  const auto admission =
      co_await intake_.append(thread_, std::move(received), std::move(finished), limit_.get());
  limit_->watch(admission->finished);
  co_await admission->finished->wait();
  if (limit_->passed()) {
    const bool taken_back = admission->handle.cancel();
    if (taken_back && claim_) claim_.request()->finish(spool::AppendOutcome::cancelled);
    co_return no_room(taken_back ? "no_room" : "ack_timeout");
  }
  switch (admission->outcome) {
    case spool::AppendOutcome::done:
      co_return std::nullopt;
    case spool::AppendOutcome::cancelled:
      co_return no_room("no_room");
    case spool::AppendOutcome::closed:
      break;
  }
  co_return no_room("spool_closed");
}

}  // namespace penstock::ingest
