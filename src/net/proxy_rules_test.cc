#include "net/proxy_rules.h"

#include <gtest/gtest.h>

#include <map>

namespace penstock::net {
namespace {

using Map = std::map<std::string, std::string>;

ProxyRules rules(const Map& variables) {
  return ProxyRules([&](const char* name) -> std::string {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}

bool goes_around(const std::string& no_proxy, const std::string& url) {
  return rules(
             {{"http_proxy", "http://p:1"}, {"https_proxy", "http://p:1"}, {"no_proxy", no_proxy}})
      .proxy_for(url)
      .empty();
}

TEST(ProxyRules, TheSchemeChoosesTheProxyAndLowerCaseWins) {
  const Map both = {{"http_proxy", "http://a:1"}, {"HTTPS_PROXY", "http://b:2\n"}};
  EXPECT_EQ(rules(both).proxy_for("http://x/"), "http://a:1");
  EXPECT_EQ(rules(both).proxy_for("https://x/"), "http://b:2");
  EXPECT_EQ(rules({{"http_proxy", "a"}, {"HTTP_PROXY", "b"}}).proxy_for("http://x/"), "a");
  EXPECT_EQ(rules({{"HTTP_PROXY", "b"}}).proxy_for("http://x/"), "b");
  EXPECT_EQ(rules({{"HTTP_PROXY", "b"}, {"REQUEST_METHOD", "GET"}}).proxy_for("http://x/"), "");
  EXPECT_EQ(rules({{"all_proxy", "c"}}).proxy_for("https://x/"), "c");
  EXPECT_EQ(rules({{"https_proxy", "b"}}).proxy_for("http://x/"), "");
  EXPECT_EQ(rules({}).proxy_for("https://x/"), "");
}

TEST(ProxyRules, NamesExceptThemselvesAndWhatIsBelowThem) {
  for (const char* text : {"example.com", ".example.com", "EXAMPLE.com", "a , example.com ,b",
                           "a example.com", "example.com."}) {
    EXPECT_TRUE(goes_around(text, "https://example.com/")) << text;
    EXPECT_TRUE(goes_around(text, "https://kinesis.Example.com:8443/x")) << text;
    EXPECT_FALSE(goes_around(text, "https://notexample.com/")) << text;
    EXPECT_FALSE(goes_around(text, "https://example.com.evil/")) << text;
  }
  EXPECT_TRUE(goes_around("*.example.com", "https://kinesis.example.com/"));
  EXPECT_FALSE(goes_around("*.example.com", "https://example.com/"));
  EXPECT_TRUE(goes_around("*", "https://anything/"));
  EXPECT_TRUE(goes_around("x, *", "https://anything/"));
  EXPECT_FALSE(goes_around("", "https://anything/"));
  EXPECT_FALSE(goes_around(",, ,", "https://anything/"));
}

TEST(ProxyRules, EntriesWithAPortAreForThatPort) {
  EXPECT_TRUE(goes_around("example.com:8443", "https://example.com:8443/"));
  EXPECT_TRUE(goes_around("example.com:443", "https://a.example.com/"));
  EXPECT_TRUE(goes_around("example.com:80", "http://example.com/"));
  EXPECT_FALSE(goes_around("example.com:8443", "https://example.com/"));
  EXPECT_FALSE(goes_around("example.com:port", "https://example.com/"));
  EXPECT_TRUE(goes_around("10.0.0.1:4567", "http://10.0.0.1:4567"));
  EXPECT_FALSE(goes_around("10.0.0.1:4567", "http://10.0.0.1:4568"));
  EXPECT_TRUE(goes_around("[::1]:4567", "http://[::1]:4567/"));
  EXPECT_FALSE(goes_around("[::1]:4567", "http://[::1]/"));
}

TEST(ProxyRules, AddressesAreComparedAsAddresses) {
  EXPECT_TRUE(goes_around("10.1.0.0/16", "https://10.1.255.3/"));
  EXPECT_FALSE(goes_around("10.1.0.0/16", "https://10.2.0.1/"));
  EXPECT_TRUE(goes_around("169.254.169.254", "http://169.254.169.254/latest"));
  EXPECT_FALSE(goes_around("169.254.169.25", "http://169.254.169.254/latest"));
  EXPECT_TRUE(goes_around("10.0.0.0/31", "https://10.0.0.1/"));
  EXPECT_FALSE(goes_around("10.0.0.0/31", "https://10.0.0.2/"));
  EXPECT_TRUE(goes_around("0.0.0.0/0", "https://10.0.0.2/"));
  EXPECT_FALSE(goes_around("0.0.0.0/0", "https://[fd00::1]/"));
  EXPECT_TRUE(goes_around("fd00::/8", "https://[fd12::1]:8443/"));
  EXPECT_FALSE(goes_around("fd00::/8", "https://[fe12::1]:8443/"));
  EXPECT_TRUE(goes_around("::1", "http://[0:0::1]/"));
  EXPECT_TRUE(goes_around("[::1]", "http://[::1]:9/"));
  EXPECT_TRUE(goes_around("10.0.0.0/8", "http://[::ffff:10.1.1.1]/"));
  for (const char* text :
       {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0/8", "/8", "fd00::/129"}) {
    EXPECT_FALSE(goes_around(text, "https://10.0.0.1/")) << text;
  }
}

TEST(ProxyRules, UrlsAreTakenApartAsTheyAreSent) {
  EXPECT_TRUE(goes_around("example.com", "https://user:password@example.com/x"));
  EXPECT_TRUE(goes_around("example.com", "https://example.com./"));
  EXPECT_TRUE(goes_around("example.com", "HTTPS://example.com?x=/y"));
  EXPECT_FALSE(goes_around("example.com", "https://evil/example.com"));
}

}  // namespace
}  // namespace penstock::net
