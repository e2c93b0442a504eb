#include "ingest/http_request_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace penstock::ingest {
namespace {

using Progress = HttpRequestReader::Progress;

class HttpRequests : public testing::Test {
 protected:
  enum class Place : uint8_t { own, of_head };

  // Feeds text in pieces; returns the bodies of all requests, and the error that ended it.
  std::vector<std::string> read(std::string text, size_t piece = SIZE_MAX,
                                Place place = Place::own) {
    std::vector<std::string> bodies;
    HttpRequestReader reader(1000);
    reader.open(HttpRequestReader::kHeadBytesMax, 10);
    for (;;) {
      const auto progress = reader.next();
      if (!progress) {
        bodies.push_back("error " + std::string(to_string(progress.error())));
        return bodies;
      }
      if (*progress == Progress::head) {
        heads.push_back(reader.head());
        if (place == Place::of_head && reader.body_fits_buffer()) {
          reader.take_buffer();
          ++buffers_taken;
          EXPECT_GT(reader.front(), 10u) << "the head and what was left before it";
        } else {
          reader.leave_front(7);
        }
      }
      if (*progress == Progress::need_room) reader.grow_body(reader.wanted_body_capacity());
      if (*progress == Progress::message) {
        const size_t front = reader.front();
        const ByteBuffer body = reader.take_body();
        bodies.emplace_back(as_text(body.view()).substr(std::min(front, body.size())));
        reader.start_next();
        if (reader.is_idle()) {
          reader.release();
          reader.open();
        }
      }
      if (*progress != Progress::need_bytes) continue;
      if (text.empty()) return bodies;
      const auto room = reader.free_space();
      const size_t taken = std::min({piece, room.size(), text.size()});
      std::copy_n(text.begin(), taken, room.begin());
      reader.commit(taken);
      text.erase(0, taken);
    }
  }

  std::vector<HttpHead> heads;
  int buffers_taken = 0;
};

constexpr const char* kTwo =
    "POST /a?b=c HTTP/1.1\r\nContent-Length: 5\r\nContent-Encoding: GZIP\r\n\r\nhello"
    "PUT /v1/logs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nwor\r\n2\r\nld\r\n0\r\n"
    "Trailer: v\r\n\r\n";

TEST_F(HttpRequests, ComeOutTheSameHoweverTheBytesAreCut) {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, SIZE_MAX}) {
    EXPECT_EQ(read(kTwo, piece), (std::vector<std::string>{"hello", "world"})) << piece;
  }
  EXPECT_EQ(heads.at(0).path, "/a");
  EXPECT_EQ(heads.at(0).content_encoding, "gzip");
  EXPECT_EQ(heads.at(0).content_length, 5u);
  EXPECT_EQ(heads.at(1).content_encoding, "identity");
  EXPECT_EQ(heads.at(1).content_length, std::nullopt);
}

TEST_F(HttpRequests, HaveTheirBodiesWhereTheHeadCameWhenThereIsRoom) {
  std::string text;
  std::vector<std::string> bodies;
  for (size_t size : {5, 900, 1, 0, 300}) {
    bodies.emplace_back(size, static_cast<char>('a' + bodies.size()));
    text +=
        "POST / HTTP/1.1\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + bodies.back();
  }
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{64}, size_t{500}, SIZE_MAX}) {
    buffers_taken = 0;
    EXPECT_EQ(read(text, piece, Place::of_head), bodies) << piece;
    EXPECT_EQ(buffers_taken, 4) << "all but the empty one";
  }
}

TEST_F(HttpRequests, KnowHowMuchOfADeclaredBodyIsMissing) {
  HttpRequestReader reader(1000);
  reader.open();
  const std::string text = "POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n1234567890";
  std::copy(text.begin(), text.end(), reader.free_space().begin());
  reader.commit(text.size());
  ASSERT_EQ(reader.next(), Progress::head);
  reader.leave_front(7);
  ASSERT_EQ(reader.next(), Progress::need_room);
  const auto declared = reader.declared_body();
  ASSERT_TRUE(declared);
  EXPECT_EQ(declared->capacity, 107u);
  EXPECT_EQ(declared->missing, 90u);
}

TEST_F(HttpRequests, MayBeSeparatedByNewlinesThatBelongToNoBody) {
  EXPECT_EQ(read("\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na\r\n\r\n"
                 "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nb"),
            (std::vector<std::string>{"a", "b"}));
}

TEST_F(HttpRequests, KnowWhetherTheConnectionStaysOpen) {
  read("POST / HTTP/1.0\r\n\r\n");
  EXPECT_FALSE(heads.at(0).keep_alive);
  EXPECT_EQ(heads.at(0).content_length, 0u);
  read("POST / HTTP/1.1\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_FALSE(heads.at(1).keep_alive);
  EXPECT_TRUE(heads.at(1).expects_continue);
}

TEST_F(HttpRequests, ABodyOverTheLimitIsNotReadIn) {
  EXPECT_EQ(read("POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n").back(), "error too_large");
  EXPECT_EQ(
      read("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x'))
          .back(),
      "error too_large");
  EXPECT_EQ(read("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" +
                 std::string(1000, 'x') + "\r\n0\r\n\r\n")
                .back()
                .size(),
            1000u);
}

TEST_F(HttpRequests, AnEndlessHeadOrChunkExtensionIsRefused) {
  EXPECT_EQ(read("POST / HTTP/1.1\r\nX: " + std::string(40'000, 'a')).back(),
            "error head_too_large");
  std::string many = "POST / HTTP/1.1\r\n";
  for (int i = 0; i < 2000; ++i) many += "X-Some-Header: and its value\r\n";
  EXPECT_EQ(read(many).back(), "error head_too_large");
  EXPECT_EQ(
      read("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;" + std::string(40'000, 'a'))
          .back()
          .substr(0, 5),
      "error");
}

TEST_F(HttpRequests, WhatIsNoHttpIsRefused) {
  for (const char* text :
       {"hello\r\n\r\n", "POST /\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nzz\r\n"}) {
    EXPECT_EQ(read(text), std::vector<std::string>{"error bad_request"}) << text;
  }
}

}  // namespace
}  // namespace penstock::ingest
