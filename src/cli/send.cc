#include "cli/send.h"

#include <openssl/rand.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/check.h"
#include "cli/count_flag.h"
#include "cli/send/event_sources.h"
#include "cli/send/sample_record.h"
#include "cli/send/senders.h"
#include "cli/server_flags.h"
#include "cli/subcommands.h"
#include "codec/base64.h"
#include "config/values.h"

namespace penstock::cli {
namespace {

using Outcome = EventSource::Outcome;

constexpr milliseconds kChunkTime{200};  // how long a chunk waits for more lines

std::string random_name() {
  std::array<uint8_t, 8> bytes{};
  CHECK(RAND_bytes(bytes.data(), bytes.size()) == 1);
  return id_of_record(bytes).substr(0, 12);
}

Result<void, Error> check_flags(const SendOptions& options) {
  const bool forward = options.http_url.empty() && options.syslog.empty();
  if (!options.http_url.empty() && !options.syslog.empty()) {
    return usage_error("--http and --syslog exclude each other; give one");
  }
  if (!options.syslog.empty() && (options.ack || !options.ledger_file.empty())) {
    return usage_error("--syslog knows no acks; leave out --ack and --ledger");
  }
  if (forward && !options.ledger_file.empty() && !options.ack) {
    return usage_error("--ledger writes what was acked; add --ack");
  }
  return check_ca_file(options.ca_file);
}

Result<std::unique_ptr<ChunkSender>, Error> make_http(const SendOptions& options,
                                                      const std::string& password,
                                                      AckLedger ledger) {
  const auto token = read_secret_file("--bearer-token-file", options.bearer_token_file);
  if (!token) return failure(token.error());
  HttpSendOptions http{.url = options.http_url,
                       .ca_file = options.ca_file,
                       .insecure = options.insecure,
                       .authorization = {},
                       .gzip = options.compression == codec::Compression::gzip};
  if (!token->empty()) http.authorization = "Bearer " + *token;
  if (!options.user.empty()) {
    ByteBuffer encoded;
    codec::append_base64(encoded, as_bytes(options.user + ":" + password));
    http.authorization = "Basic " + std::string(as_text(encoded.view()));
  }
  if (options.compression == codec::Compression::zstd) {
    return usage_error("--compress zstd is for Forward; take gzip");
  }
  return make_http_sender(std::move(http), std::move(ledger));
}

Result<std::unique_ptr<ChunkSender>, Error> make_sender(const SendOptions& options,
                                                        const std::string& run) {
  if (const auto checked = check_flags(options); !checked) return failure(checked.error());
  auto password = read_secret_file("--password-file", options.password_file);
  if (!password) return failure(password.error());
  auto shared_key = read_secret_file("--shared-key-file", options.shared_key_file);
  if (!shared_key) return failure(shared_key.error());
  auto ledger = AckLedger::open(options.ledger_file);
  if (!ledger) return failure(ledger.error());
  if (!options.http_url.empty()) return make_http(options, *password, std::move(*ledger));

  const bool syslog = !options.syslog.empty();
  auto target =
      syslog ? parse_target("--syslog", options.syslog) : parse_target("--to", options.to);
  if (!target) return failure(target.error());
  target->tls = options.tls || options.insecure || !options.ca_file.empty();
  target->ca_file = options.ca_file;
  target->insecure = options.insecure;
  if (syslog) return make_syslog_sender(std::move(*target));

  ForwardOptions forward;
  forward.target = std::move(*target);
  forward.shared_key = std::move(*shared_key);
  forward.user = options.user;
  forward.password = std::move(*password);
  forward.tag = options.tag;
  if (forward.tag.empty()) forward.tag = options.generate > 0 ? kSampleTag : "penstock.send";
  forward.ack = options.ack;
  forward.run = run;
  forward.in_flight = std::max(1u, options.in_flight);
  forward.compression = options.compression;
  return make_forward_sender(std::move(forward), std::move(*ledger));
}

// Gathers chunks by count, size and time, and keeps to the rate.
class Feeder {
 public:
  Feeder(const SendOptions& options, EventSource& source, ChunkSender& sender)
      : options_(options), source_(source), sender_(sender) {
    chunk_events_ = std::max<uint64_t>(1, options.chunk_events);
    if (options.rate > 0) {
      const auto tenth = static_cast<uint64_t>(options.rate / 10);
      chunk_events_ = std::clamp<uint64_t>(tenth, 1, chunk_events_);
    }
  }

  Result<void, Error> run() {
    OutgoingEvent event;
    for (;;) {
      const auto outcome = source_.next(event, flush_at_);
      if (!outcome) return failure(outcome.error());
      if (*outcome == Outcome::event) add(event);
      const bool full = chunk_.ids.size() >= chunk_events_ ||
                        chunk_.bytes.size() >= options_.chunk_bytes ||
                        Clock::system().steady() >= flush_at_;
      if (!chunk_.ids.empty() && (full || *outcome == Outcome::end)) {
        if (const auto sent = send_chunk(); !sent) return sent;
      }
      if (*outcome == Outcome::end) return sender_.finish();
      if (chunk_.ids.empty()) flush_at_ = Clock::system().steady() + std::chrono::hours(1);
    }
  }

  [[nodiscard]] uint64_t sent_count() const { return sent_; }

 private:
  void add(const OutgoingEvent& event) {
    if (chunk_.ids.empty()) flush_at_ = Clock::system().steady() + kChunkTime;
    chunk_.ids.push_back(event.id);
    sender_.append(chunk_.bytes, event);
  }

  Result<void, Error> send_chunk() {
    if (options_.rate > 0) {
      std::this_thread::sleep_until(
          start_ + std::chrono::duration_cast<nanoseconds>(
                       std::chrono::duration<double>(static_cast<double>(sent_) / options_.rate)));
    }
    chunk_.first_sequence = sent_;
    sent_ += chunk_.event_count();
    return sender_.send(std::exchange(chunk_, Chunk{}));
  }

  const SendOptions& options_;
  EventSource& source_;
  ChunkSender& sender_;
  uint64_t chunk_events_;
  Chunk chunk_;
  SteadyTime flush_at_ = Clock::system().steady() + std::chrono::hours(1);
  const SteadyTime start_ = Clock::system().steady();
  uint64_t sent_ = 0;
};

}  // namespace

int run_send(const SendOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);  // a broken connection is an error with a name
  const std::string run = options.run.empty() ? random_name() : options.run;
  auto sender = make_sender(options, run);
  if (!sender) return report(sender.error());
  const std::unique_ptr<EventSource> source =
      options.generate > 0 ? make_generator(run, options.generate)
                           : make_line_source(STDIN_FILENO, !options.http_url.empty());
  Feeder feeder(options, *source, **sender);
  const auto done = feeder.run();
  if (!done) return report(done.error());
  const bool acked = options.ack || !options.http_url.empty();
  std::printf("%llu %s %s\n", static_cast<unsigned long long>(feeder.sent_count()),
              feeder.sent_count() == 1 ? "event" : "events", acked ? "acked" : "sent");
  return kDone;
}

void register_send(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<SendOptions>();
  CLI::App* const send =
      app.add_subcommand("send", "Send records to a Forward, HTTP or syslog listener");
  send->add_option("--to", options->to, "Forward listener, HOST:PORT")->capture_default_str();
  send->add_option("--http", options->http_url, "Send by HTTP to this URL (NDJSON)");
  send->add_option("--syslog", options->syslog, "Send by syslog (RFC 5424 over TCP) to HOST:PORT");
  send->add_flag("--tls", options->tls, "TLS; --ca and --insecure imply it");
  send->add_option("--ca", options->ca_file,
                   "CA certificates to trust (PEM); default: the system's");
  send->add_flag("--insecure", options->insecure, "Do not verify the server's certificate");
  send->add_option("--shared-key-file", options->shared_key_file, "Forward shared key");
  send->add_option("--user", options->user, "User name (Forward, HTTP basic)");
  send->add_option("--password-file", options->password_file, "The user's password");
  send->add_option("--bearer-token-file", options->bearer_token_file, "HTTP bearer token");
  send->add_option("--tag", options->tag, "Forward tag");
  send->add_flag("--ack", options->ack, "Wait until each chunk is acked, 60 s at most");
  send->add_option("--ledger", options->ledger_file, "Append acknowledged events to this file");
  send->add_option("--generate", options->generate,
                   "Generate N sample records instead of reading stdin")
      ->check(wrong_with_count);
  send->add_option("--run", options->run, "First part of the generated ids (default: random)");
  send->add_option("--chunk-events", options->chunk_events, "Maximum events per chunk")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  send->add_option_function<std::string>(
      "--chunk-size",
      [options](const std::string& text) {
        const auto size = config::parse_size(text);
        if (!size || *size == 0)
          throw CLI::ValidationError("--chunk-size", "expected a size such as 1MiB");
        options->chunk_bytes = *size;
      },
      "Size of a chunk before compression; the last event may exceed it (default 1MB)");
  send->add_option("--in-flight", options->in_flight, "Chunks sent without waiting for their ack")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  send->add_option("--rate", options->rate, "Maximum events per second")
      ->check(CLI::Range(0.001, 1e9));
  send->add_option_function<std::string>(
          "--compress",
          [options](const std::string& name) {
            options->compression = *codec::compression_named(name);
          },
          "text (none), gzip or zstd")
      ->check(CLI::IsMember({"text", "gzip", "zstd"}));
  send->footer(
      "Records are read from stdin, one JSON object or one line of text each.\n"
      "Exits 0 when all were sent (with --ack: acked), else 1.\n"
      "Examples:\n"
      "  echo '{\"message\":\"hello\"}' | penstock send --ack\n"
      "  penstock send --to penstock:24224 --ca ca.crt --shared-key-file key --ack --generate 9\n"
      "  penstock send --http https://penstock:8443/ --ca ca.crt --bearer-token-file token < "
      "records.ndjson");
  send->callback([options, &exit_code] { exit_code = run_send(*options); });
}

}  // namespace penstock::cli
