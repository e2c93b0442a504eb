#include "protocol/forward/handshake.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "codec/msgpack_writer.h"

namespace penstock::protocol::forward {
namespace {

using nlohmann::json;

const std::string kNonce = "0123456789abcdef";
const std::string kAuthSalt = "fedcba9876543210";
const std::string kDigestOfFluentd =
    "5ea66805c553ac89eb5c9a1d65e44bc837e308e1e4aac137f4dddc0703bafabc"
    "2f07f19eed918aa79d2bea868b213c1c4d766a7b1efcc1cb49c8d714708ca6da";
const std::string kDigestOfServer =
    "35e9b7d27a0f7346cdceb47bab8f43ac222632adab481868114fff2c898a89dc"
    "7c3b137c028bc014af81b3a646d97659f948d9f96dc6475a91f9d44120822645";

json decoded(const ByteBuffer& bytes) {
  return json::from_msgpack(bytes.data(), bytes.data() + bytes.size());
}

class Handshake : public ::testing::Test {
 protected:
  Handshake() {
    settings.server_hostname = "penstock-0";
    settings.shared_keys = {"new key", "old key"};
    client = {
        .hostname = "node-1", .salt = "saltsaltsaltsalt", .shared_key = "old key", .user = {}};
  }
  void start() { server.emplace(settings, as_bytes(kNonce), as_bytes(kAuthSalt)); }

  std::optional<ServerHandshake::Answer> send(ByteView bytes) {
    const auto space = server->free_space();
    EXPECT_GE(space.size(), bytes.size());
    std::copy(bytes.begin(), bytes.end(), space.begin());
    server->commit(bytes.size());
    return server->next();
  }
  ServerHandshake::Answer shake_hands() {
    start();
    const ByteBuffer frame = server->helo();
    helo = read_helo(frame.view()).value();
    const ByteBuffer ping = make_ping(client, helo);
    auto answer = send(ping.view());
    EXPECT_TRUE(answer.has_value());
    return answer ? std::move(*answer) : ServerHandshake::Answer{};
  }
  Result<void, HandshakeError> clients_verdict(const ByteBuffer& pong) {
    return check_pong(pong.view(), client, helo, &reason);
  }

  HandshakeSettings settings;
  ClientIdentity client;
  Helo helo;
  std::optional<ServerHandshake> server;
  std::string reason;
};

TEST_F(Handshake, BeginsWithNonceAndWithoutAuthWhenThereAreNoUsers) {
  start();
  const json frame = decoded(server->helo());
  EXPECT_EQ(frame[0], "HELO");
  EXPECT_EQ(frame[1]["nonce"], json::binary({kNonce.begin(), kNonce.end()}));
  EXPECT_EQ(frame[1]["auth"], "");
  EXPECT_EQ(frame[1]["keepalive"], true);
}

TEST_F(Handshake, AcceptsEveryKeyOfARotation) {
  for (const char* key : {"old key", "new key"}) {
    client.shared_key = key;
    const auto answer = shake_hands();
    EXPECT_FALSE(answer.refusal.has_value());
    EXPECT_EQ(answer.client_hostname, "node-1");
    EXPECT_TRUE(clients_verdict(answer.pong).has_value());
    EXPECT_TRUE(server->left_over().empty());
  }
}

// Both digests were made with sha512sum.
TEST_F(Handshake, AcceptsThePingOfAFluentd) {
  start();
  ByteBuffer ping;
  codec::MsgpackWriter writer(ping);
  writer.array(6);
  writer.str("PING");
  writer.str("node-1");
  writer.str("saltsaltsaltsalt");
  writer.str(kDigestOfFluentd);
  writer.str("");
  writer.str("");
  const auto answer = send(ping.view());
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->refusal.has_value());
  const json pong = decoded(answer->pong);
  EXPECT_EQ(pong, json({"PONG", true, "", "penstock-0", kDigestOfServer}));
}

TEST_F(Handshake, RefusesAWrongKeyInFluentdsWords) {
  client.shared_key = "other key";
  const auto answer = shake_hands();
  EXPECT_EQ(answer.refusal, HandshakeRefusal::bad_key);
  EXPECT_EQ(decoded(answer.pong), json({"PONG", false, "shared_key mismatch", "", ""}));
  const auto verdict = clients_verdict(answer.pong);
  ASSERT_FALSE(verdict.has_value());
  EXPECT_EQ(verdict.error(), HandshakeError::refused);
  EXPECT_EQ(reason, "shared_key mismatch");
}

TEST_F(Handshake, AsksForUsersWhenThereAreSome) {
  settings.users = {{"alice", "wonder"}, {"bob", "builder"}};
  client.user = {"bob", "builder"};
  EXPECT_FALSE(shake_hands().refusal.has_value());
  EXPECT_EQ(helo.auth, kAuthSalt);
  client.user = {"bob", "wonder"};
  EXPECT_EQ(shake_hands().refusal, HandshakeRefusal::bad_user);
  client.user = {"carol", "builder"};
  EXPECT_EQ(shake_hands().refusal, HandshakeRefusal::bad_user);
  client.user = {};
  EXPECT_EQ(shake_hands().refusal, HandshakeRefusal::bad_user);
}

TEST_F(Handshake, RefusesAClientThatIsCalledAsTheServer) {
  client.hostname = "penstock-0";
  EXPECT_EQ(shake_hands().refusal, HandshakeRefusal::same_hostname);
}

TEST_F(Handshake, WaitsForThePingHoweverItArrives) {
  start();
  helo = read_helo(server->helo().view()).value();
  const ByteBuffer ping = make_ping(client, helo);
  for (size_t i = 0; i + 1 < ping.size(); ++i) {
    ASSERT_FALSE(send(ping.view().subspan(i, 1)).has_value()) << i;
  }
  const auto answer = send(ping.view().last(1));
  ASSERT_TRUE(answer.has_value());
  EXPECT_FALSE(answer->refusal.has_value());
}

TEST_F(Handshake, KeepsWhatComesBehindThePing) {
  start();
  helo = read_helo(server->helo().view()).value();
  ByteBuffer bytes = make_ping(client, helo);
  bytes.append("rest");
  EXPECT_FALSE(send(bytes.view())->refusal.has_value());
  EXPECT_EQ(as_text(server->left_over()), "rest");
}

TEST_F(Handshake, RefusesAClientWithoutHandshakeAtItsFirstByte) {
  start();
  const auto answer = send(std::vector<uint8_t>{0x93});
  EXPECT_EQ(answer->refusal, HandshakeRefusal::no_handshake);
  EXPECT_FALSE(answer->pong.empty());
}

TEST_F(Handshake, RefusesOtherProtocolsWithoutAWord) {
  start();
  auto answer = send(as_bytes("GET / HTTP/1.1\r\n"));
  EXPECT_EQ(answer->refusal, HandshakeRefusal::wrong_shape);
  EXPECT_TRUE(answer->pong.empty());
  start();
  answer = send(std::vector<uint8_t>{0x16, 0x03, 0x01});
  EXPECT_EQ(answer->refusal, HandshakeRefusal::tls_on_plain_port);
  EXPECT_TRUE(answer->pong.empty());
}

TEST_F(Handshake, RefusesAPingOfAnotherShape) {
  const std::vector<json> frames = {
      {"PING", "h", "s", "d", "", 1},
      {"PONG", "h", "s", "d", "", ""},
      {"PING", nullptr, "s", "d", "", ""},
  };
  for (const json& frame : frames) {
    start();
    EXPECT_EQ(send(json::to_msgpack(frame))->refusal, HandshakeRefusal::wrong_shape);
  }
  start();
  EXPECT_EQ(send(std::vector<uint8_t>{0xdc, 0x00, 0x05, 0, 0, 0, 0, 0})->refusal,
            HandshakeRefusal::wrong_shape);
  start();
  EXPECT_EQ(send(std::vector<uint8_t>{0x96, 0xdb, 0xff, 0xff, 0xff, 0xff})->refusal,
            HandshakeRefusal::wrong_shape);
  start();
  EXPECT_EQ(send(std::vector<uint8_t>{0x96, 0xc1})->refusal, HandshakeRefusal::wrong_shape);
}

TEST_F(Handshake, AClientTrustsNoServerWithAnotherKey) {
  const auto answer = shake_hands();
  client.shared_key = "new key";
  EXPECT_EQ(clients_verdict(answer.pong).error(), HandshakeError::server_unknown);
}

TEST_F(Handshake, AClientRefusesFramesOfAnotherShape) {
  const auto not_helo = json::to_msgpack(json{"HALO", json::object()});
  EXPECT_EQ(read_helo(not_helo).error(), HandshakeError::wrong_shape);
  const auto cut = json::to_msgpack(json{"PONG", true, ""});
  EXPECT_EQ(check_pong(cut, client, helo, nullptr).error(), HandshakeError::wrong_shape);
}

}  // namespace
}  // namespace penstock::protocol::forward
