#include "protocol/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock::protocol {
namespace {

struct Read {
  ProxyRead read;
  std::string peer;
  size_t size;
};
// As a session reads it: never a byte more than belongs to the header.
Read read(const std::string& stream) {
  ProxyHeader header;
  std::string received;
  for (;;) {
    const ProxyRead read = read_proxy_header(as_bytes(received), header);
    if (read != ProxyRead::need_bytes || received.size() == stream.size()) {
      return {read, header.peer, received.size()};
    }
    EXPECT_GT(header.size, received.size());
    received = stream.substr(0, std::min(header.size, stream.size()));
  }
}

std::string version_2(uint8_t command, uint8_t family, const std::string& rest) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header += static_cast<char>(command);
  header += static_cast<char>(family);
  header += static_cast<char>(rest.size() >> 8);
  header += static_cast<char>(rest.size() & 0xff);
  return header + rest;
}

void expect_read(const std::string& header, const std::string& peer) {
  const Read got = read(header + "<13>what follows");
  EXPECT_EQ(got.read, ProxyRead::done) << header;
  EXPECT_EQ(got.peer, peer) << header;
  EXPECT_EQ(got.size, header.size()) << "what follows stays";
  for (size_t size = 0; size < header.size(); ++size) {
    EXPECT_EQ(read(header.substr(0, size)).read, ProxyRead::need_bytes) << header << size;
  }
}

TEST(ProxyHeader, Version1) {
  expect_read("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1:56324");
  expect_read("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "1.1.1.1:1");
  expect_read("PROXY TCP6 2001:DB8:0::1 ::1 56324 443\r\n", "[2001:db8::1]:56324");
  expect_read("PROXY UNKNOWN\r\n", "");
  expect_read("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "");
}

TEST(ProxyHeader, Version2) {
  const std::string v4("\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb", 12);
  const std::string v6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" +
                         std::string(15, '\0') + "\x01" + "\xdc\x04\x01\xbb";
  expect_read(version_2(0x21, 0x11, v4), "192.0.2.1:56324");
  expect_read(version_2(0x21, 0x21, v6), "[2001:db8::1]:56324");
  expect_read(version_2(0x21, 0x11, v4 + std::string(200, 'T')), "192.0.2.1:56324");  // TLVs
  expect_read(version_2(0x20, 0x00, ""), "");                     // LOCAL: a health check
  expect_read(version_2(0x20, 0x11, v4), "");                     // its addresses mean nothing
  expect_read(version_2(0x21, 0x00, ""), "");                     // UNSPEC
  expect_read(version_2(0x21, 0x31, std::string(216, 'u')), "");  // a Unix socket
}

TEST(ProxyHeader, WhatCannotBeReadIsMalformed) {
  for (const std::string header :
       {"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY \r\nxxxxxxxxx"}) {
    EXPECT_EQ(read(header).read, ProxyRead::malformed) << header;
  }
  EXPECT_EQ(read("PROXY " + std::string(200, 'x')).read, ProxyRead::malformed) << "no end";
  EXPECT_EQ(read(version_2(0x11, 0x11, std::string(12, '\0'))).read, ProxyRead::malformed);
  EXPECT_EQ(read(version_2(0x22, 0x11, std::string(12, '\0'))).read, ProxyRead::malformed);
  EXPECT_EQ(read(version_2(0x21, 0x11, std::string(11, '\0'))).read, ProxyRead::malformed);
  EXPECT_EQ(read(version_2(0x21, 0x21, std::string(35, '\0'))).read, ProxyRead::malformed);
  EXPECT_EQ(read(version_2(0x21, 0x11, std::string(5000, '\0'))).read, ProxyRead::malformed);
}

TEST(ProxyHeader, AnythingElseIsNone) {
  for (const std::string text :
       {"<13>hello", "GET / HTTP/1.1\r\n", "proxy TCP4", "PROXX", "\r\n\r\nx"}) {
    EXPECT_EQ(read(text).read, ProxyRead::none) << text;
  }
}

}  // namespace
}  // namespace penstock::protocol
