#include "cli/send/event_sources.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/send/json_to_msgpack.h"
#include "cli/send/sample_record.h"
#include "codec/hex.h"
#include "codec/json_check.h"
#include "codec/msgpack_cursor.h"
#include "codec/msgpack_writer.h"
#include "kinesis_format/event_json.h"

namespace penstock::cli {
namespace {

using Outcome = EventSource::Outcome;

constexpr size_t kReadBytes = 64_KiB;
constexpr size_t kLineBytesMax = 64_MiB;
constexpr std::string_view kBlanks = " \t\r\n";

codec::EventTime now() { return codec::event_time_of(unix_nanoseconds(Clock::system().wall())); }

class LineSource final : public EventSource {
 public:
  LineSource(int fd, bool json_as_it_stands) : fd_(fd), json_as_it_stands_(json_as_it_stands) {}

  Result<Outcome, Error> next(OutgoingEvent& event, SteadyTime until) override {
    for (;;) {
      std::string_view line;
      while (take_line(line)) {
        if (trimmed(line, kBlanks).empty()) continue;
        make_event(event, line);
        return Outcome::event;
      }
      if (ended_) return Outcome::end;
      if (buffer_.size() - at_ > kLineBytesMax) return run_error("stdin: a line of over 64 MiB");
      const auto readable = wait(until);
      if (!readable) return failure(readable.error());
      if (!*readable) return Outcome::nothing_yet;
      if (auto filled = fill(); !filled) return failure(filled.error());
    }
  }

 private:
  bool take_line(std::string_view& line) {
    const std::string_view rest = as_text(buffer_.view().subspan(at_));
    const size_t newline = rest.find('\n', searched_);
    if (newline == std::string_view::npos) {
      searched_ = rest.size();
      if (!ended_ || rest.empty()) return false;
      line = rest;
      at_ = buffer_.size();
    } else {
      line = rest.substr(0, newline);
      at_ += newline + 1;
    }
    searched_ = 0;
    return true;
  }

  Result<bool, Error> wait(SteadyTime until) const {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::system().steady()).count();
    pollfd poll_for{.fd = fd_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&poll_for, 1, static_cast<int>(std::clamp<long>(left, 0, 3'600'000)));
    if (ready < 0 && errno != EINTR)
      return run_error(std::string("stdin: ") + std::strerror(errno));
    return ready > 0;
  }

  Result<void, Error> fill() {
    buffer_.consume(at_);
    at_ = 0;
    buffer_.reserve(std::max(buffer_.size() + kReadBytes, buffer_.capacity()));
    const auto space = buffer_.free_space();
    const ssize_t got = ::read(fd_, space.data(), space.size());
    if (got < 0 && errno != EINTR) return run_error(std::string("stdin: ") + std::strerror(errno));
    if (got == 0) ended_ = true;
    if (got > 0) buffer_.commit(static_cast<size_t>(got));
    return {};
  }

  void make_event(OutgoingEvent& event, std::string_view line) const {
    event.time = now();
    event.msgpack.clear();
    event.json.clear();
    event.line.clear();
    if (append_json_as_msgpack(event.msgpack, line)) {
      if (json_as_it_stands_) {
        CHECK(kinesis_format::append_json_object(event.json, as_bytes(trimmed(line, kBlanks))) ==
              kinesis_format::EncodeOutcome::done);
      }
    } else {
      if (line.ends_with('\r')) line.remove_suffix(1);
      event.line = line;
      codec::MsgpackWriter writer(event.msgpack);
      writer.map(1);
      writer.str("message");
      writer.str(line);
    }
    if (event.json.empty()) {
      CHECK(kinesis_format::append_event_json(event.json, event.msgpack.view()) ==
            kinesis_format::EncodeOutcome::done);
    }
    event.id = own_id(event.msgpack.view()).value_or(id_of_record(event.json.view()));
  }

  // What stands in kIdField, if the record has one.
  static std::optional<std::string> own_id(ByteView map) {
    codec::MsgpackCursor cursor(map);
    codec::MsgpackToken token;
    CHECK(cursor.next(token));
    for (uint32_t pairs = token.count; pairs > 0; --pairs) {
      codec::MsgpackToken key;
      CHECK(cursor.next(key));  // JSON keys are strings
      const ByteView value_bytes = cursor.skip().value();
      codec::MsgpackToken value;
      CHECK(codec::MsgpackCursor(value_bytes).next(value));
      if (as_text(key.bytes) == kIdField && value.type == codec::MsgpackType::str) {
        return std::string(as_text(value.bytes));
      }
    }
    return std::nullopt;
  }

  const int fd_;
  const bool json_as_it_stands_;
  ByteBuffer buffer_;
  size_t at_ = 0;        // the next line begins here
  size_t searched_ = 0;  // behind at_: no newline up to here
  bool ended_ = false;
};

class Generator final : public EventSource {
 public:
  Generator(std::string run, uint64_t count) : run_(std::move(run)), count_(count) {}

  Result<Outcome, Error> next(OutgoingEvent& event, SteadyTime) override {
    if (number_ == count_) return Outcome::end;
    event.time = now();
    event.id = run_ + "-" + std::to_string(number_);
    event.msgpack.clear();
    event.json.clear();
    event.line.clear();
    append_sample_record(event.msgpack, number_, event.id, event.time);
    CHECK(kinesis_format::append_event_json(event.json, event.msgpack.view()) ==
          kinesis_format::EncodeOutcome::done);
    ++number_;
    return Outcome::event;
  }

 private:
  const std::string run_;
  const uint64_t count_;
  uint64_t number_ = 0;
};

}  // namespace

std::unique_ptr<EventSource> make_line_source(int fd, bool json_as_it_stands) {
  return std::make_unique<LineSource>(fd, json_as_it_stands);
}

std::unique_ptr<EventSource> make_generator(std::string run, uint64_t count) {
  return std::make_unique<Generator>(std::move(run), count);
}

std::string id_of_record(ByteView stored) {
  const Hash128 hash = hash128(stored);
  std::string id;
  codec::append_hex(id, hash.high);
  codec::append_hex(id, hash.low);
  return id;
}

}  // namespace penstock::cli
