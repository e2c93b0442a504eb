// The senders against a scripted peer on a loopback port of the system's choice.
#include "cli/send/senders.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/send/event_sources.h"
#include "protocol/forward/ack.h"
#include "protocol/forward/decoder.h"
#include "protocol/forward/handshake.h"
#include "record/event.h"

namespace penstock::cli {
namespace {

namespace forward = protocol::forward;
using ::testing::HasSubstr;

// Accepts connections one after the other, the nth played by the nth script.
class Peer {
 public:
  using Script = std::function<void(int fd)>;
  explicit Peer(std::vector<Script> scripts) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, scripts = std::move(scripts)] {
      for (const Script& script : scripts) {
        const UniqueFd connection(::accept(listener_.get(), nullptr, nullptr));
        if (connection) script(connection.get());
      }
    });
  }
  ~Peer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  Target target() const {
    Target target;
    target.host = "127.0.0.1";
    target.port = port_;
    return target;
  }

 private:
  UniqueFd listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

void write_all(int fd, ByteView bytes) {
  EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

// Reads messages until told to stop or the peer ends.
void read_messages(int fd, const std::function<bool(forward::Message&)>& each) {
  forward::Decoder decoder({});
  for (;;) {
    if (decoder.wanted_capacity() > decoder.capacity()) decoder.grow(decoder.wanted_capacity());
    const auto space = decoder.free_space();
    const ssize_t got = ::recv(fd, space.data(), space.size(), 0);
    if (got <= 0) return;
    decoder.commit(static_cast<size_t>(got));
    for (;;) {
      auto next = decoder.next();
      ASSERT_TRUE(next.has_value());
      if (!next->has_value()) break;
      if (!each(**next)) return;
    }
  }
}

void ack(int fd, const forward::Message& message) {
  ByteBuffer out;
  forward::append_ack(out, message.chunk, message.chunk_is_bin);
  write_all(fd, out.view());
}

class Senders : public ::testing::Test {
 protected:
  Senders() {
    std::string pattern = std::filesystem::temp_directory_path() / "penstock-send-XXXXXX";
    directory = ::mkdtemp(pattern.data());
  }
  ~Senders() override { std::filesystem::remove_all(directory); }

  Chunk chunk_of(ChunkSender& sender, int count) {
    Chunk chunk;
    chunk.first_sequence = sequence;
    const auto source = make_generator("run" + std::to_string(sequence), 100);
    OutgoingEvent event;
    for (int i = 0; i < count; ++i) {
      EXPECT_TRUE(source->next(event, {}).has_value());
      chunk.ids.push_back(event.id);
      sender.append(chunk.bytes, event);
    }
    sequence += static_cast<uint64_t>(count);
    return chunk;
  }
  ForwardOptions options(const Peer& peer) const {
    ForwardOptions made;
    made.target = peer.target();
    made.tag = "a.tag";
    made.ack = true;
    made.run = "run";
    return made;
  }
  AckLedger ledger() const { return AckLedger::open(directory + "/ledger").value(); }
  std::vector<nlohmann::json> ledger_lines() const {
    std::vector<nlohmann::json> lines;
    std::ifstream file(directory + "/ledger");
    for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  std::string directory;
  uint64_t sequence = 0;
};

TEST_F(Senders, ForwardIsDoneWhenEachChunkIsAckedAndInTheLedger) {
  uint32_t events = 0;
  {
    const Peer peer({[&](int fd) {
      read_messages(fd, [&](forward::Message& message) {
        EXPECT_EQ(message.tag, "a.tag");
        ack(fd, message);
        events += record::walk_entries(message.entries()).value().event_count;
        return true;
      });
    }});
    const auto sender = make_forward_sender(options(peer), ledger());
    ASSERT_TRUE(sender->send(chunk_of(*sender, 3)).has_value());
    EXPECT_EQ(ledger_lines().size(), 3u);
    ASSERT_TRUE(sender->send(chunk_of(*sender, 2)).has_value());
    ASSERT_TRUE(sender->finish().has_value());
  }
  EXPECT_EQ(events, 5u);
  const auto lines = ledger_lines();
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[4]["id"], "run3-1");
  EXPECT_EQ(lines[4]["seq"], 4);
  EXPECT_EQ(lines[4]["tag"], "a.tag");
  EXPECT_LE(lines[4]["sent_ns"].get<int64_t>(), lines[4]["acked_ns"].get<int64_t>());
}

TEST_F(Senders, ForwardSendsAgainWhatWasNotAckedWhenTheConnectionIsLost) {
  std::vector<std::string> chunks;
  {
    const Peer peer({[&](int fd) {
                       read_messages(fd, [&](forward::Message& message) {
                         chunks.push_back(message.chunk);
                         return false;  // closes without an ack
                       });
                     },
                     [&](int fd) {
                       read_messages(fd, [&](forward::Message& message) {
                         chunks.push_back(message.chunk);
                         ack(fd, message);
                         return true;
                       });
                     }});
    const auto sender = make_forward_sender(options(peer), ledger());
    ASSERT_TRUE(sender->send(chunk_of(*sender, 1)).has_value());
    ASSERT_TRUE(sender->finish().has_value());
  }
  EXPECT_THAT(chunks, ::testing::ElementsAre("run-c0", "run-c0"));
  EXPECT_EQ(ledger_lines().size(), 1u);
}

TEST_F(Senders, ForwardKeepsSeveralChunksInFlightAndTakesAcksInAnyOrder) {
  {
    const Peer peer({[&](int fd) {
      std::vector<std::string> waiting;
      read_messages(fd, [&](forward::Message& message) {
        waiting.push_back(message.chunk);
        if (waiting.size() < 3) return true;
        for (; !waiting.empty(); waiting.pop_back()) {
          message.chunk = waiting.back();
          ack(fd, message);
        }
        return true;
      });
    }});
    auto with_three = options(peer);
    with_three.in_flight = 3;
    const auto sender = make_forward_sender(with_three, ledger());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(sender->send(chunk_of(*sender, 1)).has_value());
    ASSERT_TRUE(sender->finish().has_value());
  }
  EXPECT_EQ(ledger_lines().size(), 3u);
}

TEST_F(Senders, ForwardShakesHandsAndTellsWhyItIsRefused) {
  const forward::HandshakeSettings settings{"server", {"right key"}, {}};
  const auto shake = [&settings](int fd) {
    const std::vector<uint8_t> random(16, 'x');
    forward::ServerHandshake handshake(settings, random, random);
    write_all(fd, handshake.helo().view());
    for (;;) {
      const auto space = handshake.free_space();
      const ssize_t got = ::recv(fd, space.data(), space.size(), 0);
      if (got <= 0) return;
      handshake.commit(static_cast<size_t>(got));
      const auto answer = handshake.next();
      if (!answer) continue;
      write_all(fd, answer->pong.view());
      if (answer->refusal) return;
      break;
    }
    read_messages(fd, [fd](forward::Message& message) {
      ack(fd, message);
      return true;
    });
  };
  {
    const Peer peer({shake});
    auto with_key = options(peer);
    with_key.shared_key = "right key";
    const auto sender = make_forward_sender(with_key, ledger());
    EXPECT_TRUE(sender->send(chunk_of(*sender, 1)).has_value());
    EXPECT_TRUE(sender->finish().has_value());
  }
  const Peer peer({shake});
  auto with_key = options(peer);
  with_key.shared_key = "wrong key";
  const auto sender = make_forward_sender(with_key, ledger());
  const auto sent = sender->send(chunk_of(*sender, 1));
  ASSERT_FALSE(sent.has_value());
  EXPECT_THAT(sent.error().message, HasSubstr("shared_key mismatch"));
}

TEST_F(Senders, ForwardFailsAtOnceWhereNobodyListens) {
  Target target;
  {
    const Peer peer({});
    target = peer.target();
  }
  ForwardOptions made;
  made.target = target;
  made.ack = true;
  const auto sender = make_forward_sender(made, AckLedger::open("").value());
  const auto sent = sender->send(chunk_of(*sender, 1));
  ASSERT_FALSE(sent.has_value());
  EXPECT_THAT(sent.error().message, HasSubstr("refused"));
}

// Reads one request and answers it; gives back its head and body.
std::pair<std::string, std::string> answer_http(int fd, std::string_view status) {
  std::string got;
  std::array<char, 65536> part{};
  const auto read = [&] {
    const ssize_t n = ::recv(fd, part.data(), part.size(), 0);
    if (n > 0) got.append(part.data(), static_cast<size_t>(n));
    return n > 0;
  };
  size_t head = std::string::npos;
  while ((head = got.find("\r\n\r\n")) == std::string::npos && read()) {
  }
  if (head == std::string::npos) return {};
  const size_t length_at = got.find("Content-Length: ");
  const size_t length = std::stoul(got.substr(length_at + 16));
  while (got.size() < head + 4 + length && read()) {
  }
  const std::string answer =
      "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  write_all(fd, as_bytes(answer));
  ::shutdown(fd, SHUT_WR);
  return {got.substr(0, head), got.substr(head + 4)};
}

TEST_F(Senders, HttpPostsLinesAndTakes200ForAnAck) {
  std::pair<std::string, std::string> request;
  {
    const Peer peer({[&](int fd) { request = answer_http(fd, "200 OK"); }});
    HttpSendOptions http;
    http.url = "http://" + peer.target().name() + "/in";
    http.authorization = "Bearer token-1";
    const auto sender = make_http_sender(http, ledger());
    ASSERT_TRUE(sender->send(chunk_of(*sender, 2)).has_value());
    ASSERT_TRUE(sender->finish().has_value());
  }
  EXPECT_THAT(request.first, HasSubstr("POST /in HTTP/1.1"));
  EXPECT_THAT(request.first, HasSubstr("Content-Type: application/x-ndjson"));
  EXPECT_THAT(request.first, HasSubstr("Authorization: Bearer token-1"));
  const size_t newline = request.second.find('\n');
  EXPECT_EQ(nlohmann::json::parse(request.second.substr(0, newline))["penstock_id"], "run0-0");
  EXPECT_EQ(nlohmann::json::parse(request.second.substr(newline + 1))["penstock_id"], "run0-1");
  const auto lines = ledger_lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["id"], "run0-1");
  EXPECT_EQ(lines[1]["tag"], "http");
}

TEST_F(Senders, HttpSendsAgainAfter503AndGivesUpAfter400) {
  std::vector<std::string> bodies;
  {
    const Peer peer({[&](int fd) { bodies.push_back(answer_http(fd, "503 Busy").second); },
                     [&](int fd) { bodies.push_back(answer_http(fd, "200 OK").second); },
                     [&](int fd) { answer_http(fd, "400 Bad Request"); }});
    HttpSendOptions http;
    http.url = "http://" + peer.target().name() + "/";
    http.gzip = true;
    const auto sender = make_http_sender(http, ledger());
    EXPECT_TRUE(sender->send(chunk_of(*sender, 1)).has_value());
    const auto refused = sender->send(chunk_of(*sender, 1));
    ASSERT_FALSE(refused.has_value());
    EXPECT_THAT(refused.error().message, HasSubstr(": 400"));
  }
  ASSERT_EQ(bodies.size(), 2u);
  EXPECT_EQ(bodies[0], bodies[1]);
  ByteBuffer body;
  ASSERT_TRUE(codec::inflate_whole({codec::Compression::gzip, 1_MiB}, as_bytes(bodies[0]), body));
  EXPECT_THAT(std::string(as_text(body.view())), HasSubstr("\"penstock_id\":\"run0-0\""));
  EXPECT_EQ(ledger_lines().size(), 1u);
}

TEST_F(Senders, SyslogCountsTheBytesOfEachMessage) {
  std::string got;
  {
    const Peer peer({[&](int fd) {
      std::array<char, 4096> part{};
      for (ssize_t n = 0; (n = ::recv(fd, part.data(), part.size(), 0)) > 0;) {
        got.append(part.data(), static_cast<size_t>(n));
      }
    }});
    const auto sender = make_syslog_sender(peer.target());
    OutgoingEvent event;
    event.time = {1'718'093'700, 241'536'800};
    event.line = "plain line";
    Chunk chunk;
    sender->append(chunk.bytes, event);
    event.line.clear();
    event.json.append("{\"a\":1}");
    sender->append(chunk.bytes, event);
    ASSERT_TRUE(sender->send(std::move(chunk)).has_value());
    ASSERT_TRUE(sender->finish().has_value());
  }
  for (const std::string_view text : {"plain line", "{\"a\":1}"}) {
    const size_t space = got.find(' ');
    const size_t size = std::stoul(got.substr(0, space));
    const std::string message = got.substr(space + 1, size);
    EXPECT_THAT(message, ::testing::StartsWith("<14>1 2024-06-11T08:15:00.241536Z "));
    EXPECT_THAT(message, ::testing::EndsWith(" penstock-send - - - " + std::string(text)));
    got.erase(0, space + 1 + size);
  }
  EXPECT_EQ(got, "");
}

TEST(SendTarget, IsAHostAndAPort) {
  EXPECT_EQ(parse_target("--to", "example.org:24224")->host, "example.org");
  EXPECT_EQ(parse_target("--to", "[::1]:24224")->host, "::1");
  const auto wrong = parse_target("--to", "example.org");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().kind, Error::Kind::usage);
}

}  // namespace
}  // namespace penstock::cli
