#include "protocol/opening.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::protocol {
namespace {

Opening opening(std::string_view text) { return opening_of(as_bytes(text)); }

// Cut short anywhere it is not known yet, whole it is; nothing behind it matters.
void expect_known(const std::string& text, Opening expected, size_t enough = 0) {
  if (enough == 0) enough = text.size();
  for (size_t size = 0; size < enough; ++size) {
    EXPECT_EQ(opening(text.substr(0, size)), Opening::undecided) << text << " " << size;
  }
  for (size_t size = enough; size <= text.size(); ++size) {
    EXPECT_EQ(opening(text.substr(0, size)), expected) << text << " " << size;
  }
  EXPECT_EQ(opening(text + "\r\n<13>hello"), expected) << text;
}

TEST(Opening, KnowsAClientHello) {
  expect_known(std::string("\x16\x03\x01\x02\x00\x01\x00\x01", 8), Opening::tls, 3);
  EXPECT_EQ(opening(std::string("\x16\x03\x09", 3)), Opening::other);
  EXPECT_EQ(opening("\x16 text"), Opening::other);
}

TEST(Opening, KnowsRequestLines) {
  expect_known("GET / HTTP/1.1\r\n", Opening::http);
  expect_known("POST /v1/logs?a=b HTTP/1.0\r\n", Opening::http);
  expect_known("PUT / HTTP/1.1\r\n", Opening::http);
  expect_known("OPTIONS * HTTP/1.1\r\n", Opening::http);
  expect_known("CONNECT host:443 HTTP/1.1\r\n", Opening::http);
  expect_known("PRI * HTTP/2.0\r\n", Opening::http);
}

TEST(Opening, KnowsProxyHeaders) {
  expect_known("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", Opening::proxy);
  expect_known("PROXY UNKNOWN\r\n", Opening::proxy);
  expect_known(std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", 16), Opening::proxy, 12);
}

// A log may begin like anything.
TEST(Opening, LeavesTextAlone) {
  for (const std::string_view text :
       {"<13>GET / HTTP/1.1\r\n", "GET / HTTP/1.1\n", "GET it done\r\n", "GET /\r\n", "GETTING x",
        "POST mortem of the day\n", "PUT  HTTP/1.1\r\n", "get / HTTP/1.1\r\n",
        "PROXY of the company is down\n", "PROXY TCP4 is down\r\n", "PROXY TCP5 1.2.3.4\r\n",
        "17 <13>hello", "\n<13>hello", "\r\n<13>x", "\r\n\r\n<13>x", "hello", "\x92\xa1t\xa0"}) {
    EXPECT_EQ(opening(text), Opening::other) << text;
  }
  EXPECT_EQ(opening("GET /" + std::string(10'000, 'x')), Opening::other);
}

}  // namespace
}  // namespace penstock::protocol
