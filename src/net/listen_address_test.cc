#include "net/listen_address.h"

#include <gmock/gmock.h>

#include "net/listen_socket.h"

namespace penstock::net {
namespace {

using ::testing::HasSubstr;

TEST(ListenAddress, EveryAddressIsWrittenInThreeWays) {
  for (const char* text : {"*:24224", ":24224", "[::]:24224", "[0:0::0]:24224"}) {
    const auto address = parse_listen_address(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(*address, (ListenAddress{"::", 24224})) << text;
  }
  EXPECT_EQ(*parse_listen_address("0.0.0.0:1"), (ListenAddress{"0.0.0.0", 1}));
  EXPECT_EQ(to_string(*parse_listen_address("*:24224")), "[::]:24224");
}

TEST(ListenAddress, HostsAndPortsAreTakenApart) {
  EXPECT_EQ(*parse_listen_address("localhost:0"), (ListenAddress{"localhost", 0}));
  EXPECT_EQ(*parse_listen_address("[::1]:65535"), (ListenAddress{"::1", 65535}));
  EXPECT_EQ(*parse_listen_address("[fe80::1%eth0]:5"), (ListenAddress{"fe80::1%eth0", 5}));
  for (const char* text : {"",
                           "24224",
                           "localhost",
                           "host:",
                           "host:x",
                           "host:65536",
                           "host:-1",
                           "host: 1",
                           "::1:24224",
                           "[::1]",
                           "[::1]24224",
                           "[localhost]:1",
                           "[1.2.3.4]:1",
                           "[]:1",
                           "a b:1",
                           "http://x:1",
                           "x:1/",
                           "256.0.0.1:1",
                           "1.2.3:1",
                           "10:1",
                           "\"0.0.0.0:1\"",
                           "host:1\n"}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
}

TEST(ListenAddress, OverlapsAreWhatTheSystemWouldRefuse) {
  const auto overlaps = [](const char* a, const char* b) {
    const auto one = *parse_listen_address(a), other = *parse_listen_address(b);
    EXPECT_EQ(overlap(one, other), overlap(other, one)) << a << b;
    return overlap(one, other);
  };
  EXPECT_TRUE(overlaps("*:1", "127.0.0.1:1"));
  EXPECT_TRUE(overlaps("*:1", "[::1]:1"));
  EXPECT_TRUE(overlaps(":1", "0.0.0.0:1"));
  EXPECT_TRUE(overlaps("0.0.0.0:1", "127.0.0.1:1"));
  EXPECT_TRUE(overlaps("0.0.0.0:1", "localhost:1"));
  EXPECT_FALSE(overlaps("0.0.0.0:1", "[::1]:1"));
  EXPECT_FALSE(overlaps("127.0.0.1:1", "127.0.0.2:1"));
  EXPECT_FALSE(overlaps("*:1", "*:2"));
  EXPECT_FALSE(overlaps("*:0", "*:0"));
}

TEST(ListenSocket, AddressesOfOtherMachinesAndNamesThatAreNoneSaySo) {
  EXPECT_TRUE(check_listen_address({"127.0.0.1", 24224}));
  EXPECT_TRUE(check_listen_address({"::", 24224}));
  EXPECT_TRUE(check_listen_address({"localhost", 24224}));
  const auto foreign = check_listen_address({"203.0.113.7", 24224});
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().message, HasSubstr("203.0.113.7"));
  const auto nobody = check_listen_address({"no-such-host.invalid", 24224});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, Error::Kind::usage);
}

// Port 0 is looked up as well as any.
TEST(ListenSocket, UdpAndTcpGetThePortTheyAskFor) {
  const auto tcp = open_listen_socket({"127.0.0.1", 0}, Transport::tcp);
  ASSERT_TRUE(tcp);
  const uint16_t port = port_of(local_address(*tcp));
  EXPECT_GT(port, 0);
  const auto udp = open_listen_socket({"127.0.0.1", port}, Transport::udp);
  ASSERT_TRUE(udp) << udp.error().message;
  EXPECT_EQ(port_of(local_address(*udp)), port);
  EXPECT_FALSE(open_listen_socket({"127.0.0.1", port}, Transport::udp));
}

}  // namespace
}  // namespace penstock::net
