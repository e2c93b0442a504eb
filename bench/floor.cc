// bench-floor: what the work costs at the least: one loop that receives PackedForward chunks, walks
// their entries once, hashes them, signs them and sends them to the sink as they are, then acks. No
// queue, no thread, no conversion, no limit; only what bench-load sends is understood. What
// penstock costs is told as a multiple of this.
//
//   bench-floor --sink HOST:PORT [--sink-tls] [--tls CERT KEY] [--shared-key K] [--sync DIR]
//
// --sync: appends to a file in DIR and waits for fdatasync before the ack, as `ack: stored` does.
//
// Prints "port N". Ends at SIGTERM.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "bench/blocking_socket.h"
#include "codec/hex.h"
#include "codec/msgpack_cursor.h"
#include "kinesis/sigv4.h"
#include "protocol/forward/ack.h"
#include "protocol/forward/handshake.h"
#include "record/event.h"

namespace penstock::bench {
namespace {

namespace forward = protocol::forward;

constexpr size_t kReadBytes = 256_KiB;
constexpr uint32_t kEventsWanted = 500;     // PutRecords takes no more records
constexpr off_t kFileBytesMax = 256 << 20;  // then the file starts again: disks are finite

struct Options {
  Address sink;
  bool sink_tls = false;
  std::string certificate, key;
  std::string shared_key;
  std::string sync_directory;
};

struct Chunk {
  ByteView entries;
  std::string_view id;
  size_t message_size = 0;
  uint32_t events = 0;
};

// [tag, entries, {…, "chunk": id}], or nothing while bytes are missing.
std::optional<Chunk> read_chunk(ByteView bytes) {
  codec::MsgpackCursor cursor(bytes);
  codec::MsgpackToken token;
  Chunk chunk;
  if (!cursor.next(token) || !cursor.next(token) || !cursor.next(token)) return {};
  chunk.entries = token.bytes;
  if (!cursor.next(token)) return {};
  for (uint32_t pairs = token.count; pairs > 0; --pairs) {
    codec::MsgpackToken value;
    if (!cursor.next(token) || !cursor.next(value)) return {};
    if (as_text(token.bytes) == "chunk") chunk.id = as_text(value.bytes);
  }
  chunk.message_size = cursor.position();
  return chunk;
}

struct Peer {
  BlockingSocket socket;
  ByteBuffer buffer;
};

// Reads until a whole message is there; the peers write theirs without pause. False: the end.
bool receive(Peer& peer, Chunk& chunk) {
  for (;;) {
    if (!peer.buffer.empty()) {
      if (const auto found = read_chunk(peer.buffer.view())) {
        chunk = *found;
        return true;
      }
    }
    if (peer.buffer.capacity() - peer.buffer.size() < kReadBytes) {
      peer.buffer.reserve(2 * peer.buffer.capacity() + kReadBytes);
    }
    const ssize_t got = peer.socket.read_some(peer.buffer.free_space());
    if (got <= 0) return false;
    peer.buffer.commit(static_cast<size_t>(got));
  }
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_, EVP_sha256(), nullptr); }
  ~Sha256() { EVP_MD_CTX_free(context_); }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(ByteView bytes) { EVP_DigestUpdate(context_, bytes.data(), bytes.size()); }
  std::string hex() {
    std::array<uint8_t, 32> digest{};
    EVP_DigestFinal_ex(context_, digest.data(), nullptr);
    return codec::hex(digest);
  }

 private:
  EVP_MD_CTX* context_;
};

// The kept connection to the sink.
class Sink {
 public:
  explicit Sink(const Options& options) : host_(options.sink.host) {
    UniqueFd fd = connect_to(options.sink);
    socket_ = options.sink_tls ? with_tls(std::move(fd), client_context(), false)
                               : BlockingSocket(std::move(fd), nullptr);
    if (socket_.fd() < 0) die("no TLS with the sink");
    answer_.reserve(1_MiB);
  }

  void put(const std::vector<ByteView>& parts, uint32_t events) {
    Sha256 sha256;
    size_t size = 0;
    for (const ByteView part : parts) {
      sha256.add(part);
      size += part.size();
    }
    bool sent = socket_.write_all(as_bytes(head(sha256.hex(), size, events)));
    for (const ByteView part : parts) sent = sent && socket_.write_all(part);
    if (!sent) die("the sink closed the connection");
    read_answer();
  }

 private:
  std::string head(const std::string& sha256, size_t size, uint32_t events) {
    const WallTime now = Clock::system().wall();
    const std::string date = kinesis::amz_date(now);
    const std::array<kinesis::Signer::Header, 4> headers{{
        {"content-type", "application/x-amz-cbor-1.1"},
        {"host", host_},
        {"x-amz-date", date},
        {"x-amz-target", "Kinesis_20131202.PutRecords"},
    }};
    std::string text = "POST / HTTP/1.1\r\n";
    for (const auto& [name, value] : headers) {
      text.append(name).append(": ").append(value).append("\r\n");
    }
    text +=
        "authorization: " +
        signer_.authorization({.headers = headers, .payload_sha256 = sha256}, credentials_, now);
    text += "\r\nx-bench-records: " + std::to_string(events);
    return text + "\r\ncontent-length: " + std::to_string(size) + "\r\n\r\n";
  }

  void read_answer() {
    static constexpr std::string_view kLength = "Content-Length: ";
    answer_.clear();
    for (size_t wanted = SIZE_MAX; answer_.size() < wanted;) {
      const ssize_t got = socket_.read_some(answer_.free_space());
      if (got <= 0) die("the sink closed the connection");
      answer_.commit(static_cast<size_t>(got));
      const std::string_view text = as_text(answer_.view());
      const size_t end = wanted == SIZE_MAX ? text.find("\r\n\r\n") : std::string_view::npos;
      if (end == std::string_view::npos) continue;
      const size_t length = text.find(kLength);
      wanted = end + 4 + std::strtoull(text.data() + length + kLength.size(), nullptr, 10);
      answer_.reserve(wanted);
    }
  }

  std::string host_;
  BlockingSocket socket_;
  ByteBuffer answer_;
  kinesis::Signer signer_{"us-east-1", "kinesis"};
  kinesis::Credentials credentials_{.access_key_id = "AKIDEXAMPLE",
                                    .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                    .session_token = {},
                                    .expiry = {},
                                    .account_id = {},
                                    .provider = {}};
};

class Floor {
 public:
  explicit Floor(const Options& options) : options_(options), sink_(options) {
    if (!options.certificate.empty()) tls_ = server_context(options.certificate, options.key);
    handshake_.server_hostname = "bench-floor";
    handshake_.shared_keys = {options.shared_key};
    if (options.sync_directory.empty()) return;
    const std::string path = options.sync_directory + "/floor.log";
    file_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file_) die("cannot write " + path);
  }

  void loop(int listener) {
    std::vector<pollfd> readable;
    for (;;) {
      readable.assign(1, {listener, POLLIN, 0});
      bool more = false;  // bytes that poll() does not tell of
      for (const Peer& peer : peers_) {
        readable.push_back({peer.socket.fd(), POLLIN, 0});
        more = more || !peer.buffer.empty() || peer.socket.has_pending();
      }
      ::poll(readable.data(), readable.size(), more ? 0 : -1);
      auto peer = peers_.begin();
      for (size_t i = 1; i < readable.size(); ++i) {
        const auto at = peer++;
        if (readable[i].revents == 0 && at->buffer.empty() && !at->socket.has_pending()) continue;
        if (!take_from(*at)) peers_.erase(at);
      }
      send_taken();
      if (readable[0].revents != 0) accept_peer(listener);
    }
  }

 private:
  struct Taken {
    Peer* peer;
    Chunk chunk;
  };

  void accept_peer(int listener) {
    UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Peer peer;
    peer.socket = tls_ != nullptr ? with_tls(std::move(fd), tls_, true)
                                  : BlockingSocket(std::move(fd), nullptr);
    if (peer.socket.fd() < 0) return;
    if (options_.shared_key.empty() || shake_hands(peer)) peers_.push_back(std::move(peer));
  }

  bool shake_hands(Peer& peer) {
    std::array<uint8_t, forward::kNonceSize> nonce{};
    RAND_bytes(nonce.data(), static_cast<int>(nonce.size()));
    forward::ServerHandshake handshake(handshake_, nonce, nonce);
    if (!peer.socket.write_all(handshake.helo().view())) return false;
    for (;;) {
      const ssize_t got = peer.socket.read_some(handshake.free_space());
      if (got <= 0) return false;
      handshake.commit(static_cast<size_t>(got));
      if (const auto answer = handshake.next()) {
        peer.buffer.append(handshake.left_over());
        return peer.socket.write_all(answer->pong.view()) && !answer->refusal;
      }
    }
  }

  bool take_from(Peer& peer) {
    Chunk chunk;
    if (!receive(peer, chunk)) return false;
    const auto walked = record::walk_entries(chunk.entries);
    if (!walked) die("bench-load sent what is no entry");
    chunk.events = walked->event_count;
    const Hash128 fingerprint = hash128(chunk.entries);
    last_fingerprint_ = {last_fingerprint_.low ^ fingerprint.low, fingerprint.high};
    taken_.push_back({&peer, chunk});
    events_ += chunk.events;
    if (events_ >= kEventsWanted) send_taken();
    return true;
  }

  void send_taken() {
    if (taken_.empty()) return;
    std::vector<ByteView> parts;
    for (const Taken& each : taken_) parts.push_back(each.chunk.entries);
    if (file_) store(parts);
    if (file_) ack_taken();
    sink_.put(parts, events_);
    if (!file_) ack_taken();
    for (const Taken& each : taken_) each.peer->buffer.consume(each.chunk.message_size);
    taken_.clear();
    events_ = 0;
  }

  void ack_taken() {
    for (const Taken& each : taken_) {
      ByteBuffer ack;
      forward::append_ack(ack, each.chunk.id, false);
      // A peer that has gone is found by its next read.
      static_cast<void>(each.peer->socket.write_all(ack.view()));
    }
  }

  void store(const std::vector<ByteView>& parts) {
    for (const ByteView part : parts) {
      if (::write(file_.get(), part.data(), part.size()) != static_cast<ssize_t>(part.size())) {
        die("the disk does not take it");
      }
    }
    if (::fdatasync(file_.get()) != 0) die("fdatasync failed");
    if (::lseek(file_.get(), 0, SEEK_CUR) > kFileBytesMax) {
      if (::ftruncate(file_.get(), 0) != 0) die("ftruncate failed");
      ::lseek(file_.get(), 0, SEEK_SET);
    }
  }

  const Options& options_;
  SSL_CTX* tls_ = nullptr;
  forward::HandshakeSettings handshake_;
  Sink sink_;
  UniqueFd file_;
  std::list<Peer> peers_;
  std::vector<Taken> taken_;
  uint32_t events_ = 0;
  Hash128 last_fingerprint_;  // keeps the compiler from leaving the hash out
};

int run(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--sink" && i + 1 < argc) {
      options.sink = parse_address(argv[++i]);
    } else if (flag == "--sink-tls") {
      options.sink_tls = true;
    } else if (flag == "--tls" && i + 2 < argc) {
      options.certificate = argv[++i];
      options.key = argv[++i];
    } else if (flag == "--shared-key" && i + 1 < argc) {
      options.shared_key = argv[++i];
    } else if (flag == "--sync" && i + 1 < argc) {
      options.sync_directory = argv[++i];
    } else {
      die("usage: bench-floor --sink HOST:PORT [--sink-tls] [--tls CERT KEY] [--shared-key K] "
          "[--sync DIR]");
    }
  }
  std::signal(SIGPIPE, SIG_IGN);
  Floor floor(options);
  uint16_t port = 0;
  const UniqueFd listener = listen_on({"127.0.0.1", 0}, &port);
  std::printf("port %u\n", port);
  std::fflush(stdout);
  floor.loop(listener.get());
  return 0;
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) { return penstock::bench::run(argc, argv); }
