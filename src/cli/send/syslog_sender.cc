#include <unistd.h>

#include <array>
#include <optional>

#include "cli/send/senders.h"
#include "codec/rfc3339.h"

namespace penstock::cli {
namespace {

// RFC 5424 over TCP or TLS, each message with its length before it (RFC 6587 §3.4.1).
class SyslogSender final : public ChunkSender {
 public:
  explicit SyslogSender(Target target) : target_(std::move(target)) {
    std::array<char, 256> hostname{};
    ::gethostname(hostname.data(), hostname.size() - 1);
    hostname_ = hostname[0] != '\0' ? hostname.data() : "-";
  }

  void append(ByteBuffer& chunk, const OutgoingEvent& event) override {
    // TIME-SECFRAC has at most six digits.
    std::array<uint8_t, codec::kRfc3339Size> stamp{};
    codec::write_rfc3339(stamp.data(), event.time);
    const std::string head = "<14>1 " + std::string(as_text(stamp).substr(0, 26)) + "Z " +
                             hostname_ + " penstock-send - - - ";
    const std::string_view text =
        event.line.empty() ? as_text(event.json.view()) : std::string_view(event.line);
    chunk.append(std::to_string(head.size() + text.size()) + " ");
    chunk.append(head);
    chunk.append(text);
  }

  Result<void, Error> send(Chunk chunk) override {
    if (!connection_) {
      auto opened = Connection::open(target_, Clock::system().steady() + kConnectTime);
      if (!opened) return failure(opened.error());
      connection_.emplace(std::move(*opened));
    }
    return connection_->write(chunk.bytes.view(), Clock::system().steady() + kAckTime);
  }

  Result<void, Error> finish() override {
    if (connection_) close_gently(*connection_);
    return {};
  }

 private:
  const Target target_;
  std::string hostname_;
  std::optional<Connection> connection_;
};

}  // namespace

std::unique_ptr<ChunkSender> make_syslog_sender(Target target) {
  return std::make_unique<SyslogSender>(std::move(target));
}

}  // namespace penstock::cli
