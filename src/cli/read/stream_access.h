// StreamAccess: what a command needs to ask about a stream and read it back: its endpoint, the
// credentials, a client. From flags or from a configuration.
//
// Thread: one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/options.h"
#include "kinesis/control.h"
#include "kinesis/credentials/chain.h"
#include "kinesis/stream_reader.h"

namespace CLI {
class App;
}

namespace penstock::cli {

// Which stream, as flags say it.
struct StreamFlags {
  std::string stream;    // name or ARN
  std::string region;    // "": of the ARN, AWS_REGION, the profile's
  std::string endpoint;  // "": AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL, the region's
  std::string profile;
};

// --region, --endpoint and --profile.
void add_access_flags(CLI::App& command, StreamFlags& flags);

class StreamAccess {
 public:
  // What is wrong with flags or configuration is a usage error.
  // How long a call is tried again that nobody answers.
  static constexpr milliseconds kPatience{20'000};

  [[nodiscard]] static Result<std::unique_ptr<StreamAccess>, Error> open(const StreamFlags& flags);
  [[nodiscard]] static Result<std::unique_ptr<StreamAccess>, Error> open(
      const config::StreamOptions& stream, const config::Config& config,
      milliseconds patience = kPatience);

  [[nodiscard]] kinesis::ControlClient& client() { return *client_; }
  [[nodiscard]] const kinesis::StreamId& id() const { return id_; }
  [[nodiscard]] const std::string& name() const { return name_; }  // for people
  [[nodiscard]] const kinesis::Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] kinesis::ClockOffset& clock_offset() { return clock_offset_; }

  // Plain http: no service of AWS, so nobody shares its limits.
  [[nodiscard]] bool is_emulator() const { return endpoint_.url.starts_with("http://"); }
  // "stream NAME: 1,200 events read, now at 2026-11-30T10:00:00.000000000Z": for a Progress.
  [[nodiscard]] std::string progress_text(uint64_t events, int64_t arrival_ms) const;
  // For this stream, with the pace that is due to others who read it.
  [[nodiscard]] kinesis::StreamReaderOptions reader_options() const;

 private:
  StreamAccess() = default;
  [[nodiscard]] static Result<std::unique_ptr<StreamAccess>, Error> make(
      kinesis::StreamId id, kinesis::EndpointOptions endpoint,
      const kinesis::CredentialOptions& credentials, milliseconds patience);

  kinesis::StreamId id_;
  std::string name_;
  kinesis::Endpoint endpoint_;
  kinesis::ClockOffset clock_offset_;
  std::unique_ptr<kinesis::CredentialChain> chain_;
  std::unique_ptr<kinesis::ControlClient> client_;
};

// oldest, latest or an RFC 3339 time.
[[nodiscard]] Result<kinesis::IteratorStart, Error> parse_start(const std::string& text);

}  // namespace penstock::cli
