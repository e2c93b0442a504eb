#include "net/tls_ciphers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::net {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(TlsCiphers, AVersionThatNoneIsGivenForKeepsItsDefault) {
  const auto both = read_tls_ciphers("");
  ASSERT_TRUE(both) << both.error();
  const auto tls12 = read_tls_ciphers("ECDHE-RSA-AES256-GCM-SHA384");
  ASSERT_TRUE(tls12) << tls12.error();
  EXPECT_EQ(tls12->tls12, "ECDHE-RSA-AES256-GCM-SHA384:!aNULL:!eNULL");
  EXPECT_EQ(tls12->tls13, both->tls13);
  const auto tls13 = read_tls_ciphers("TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256");
  ASSERT_TRUE(tls13) << tls13.error();
  EXPECT_EQ(tls13->tls12, both->tls12);
  EXPECT_EQ(tls13->tls13, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256");
}

TEST(TlsCiphers, NamesOfBothVersionsMayBeMixedAndGroupsTaken) {
  const auto read =
      read_tls_ciphers("ECDHE+AESGCM:TLS_AES_128_GCM_SHA256:!AES128:@STRENGTH:"
                       "ECDHE-RSA-CHACHA20-POLY1305");
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->tls13, "TLS_AES_128_GCM_SHA256");
  EXPECT_THAT(read->tls12,
              HasSubstr("ECDHE+AESGCM:!AES128:@STRENGTH:ECDHE-RSA-CHACHA20-POLY1305"));
}

// OpenSSL takes a list that has one name it knows.
TEST(TlsCiphers, OneUnknownNameIsAnErrorThatNamesIt) {
  for (const char* wrong : {"ECDHE-RSA-AES257", "TLS_AES_129_GCM_SHA256",
                            "ECDHE-RSA-CHACHA20-POLY1306", "TLS_CHACHA20_POLY1306_SHA256", "x"}) {
    const auto read =
        read_tls_ciphers("ECDHE-RSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384:" + std::string(wrong));
    ASSERT_FALSE(read) << wrong;
    EXPECT_THAT(read.error(), HasSubstr("'" + std::string(wrong) + "' is no cipher"));
  }
}

TEST(TlsCiphers, AListThatLeavesNoneIsAnError) {
  for (const char* none : {"!aNULL", "aNULL", "eNULL", "ECDHE+AESGCM:!ECDHE"}) {
    const auto read = read_tls_ciphers(none);
    ASSERT_FALSE(read) << none;
    EXPECT_THAT(read.error(), testing::AnyOf(HasSubstr("leaves no cipher"), HasSubstr("no cipher")));
  }
  EXPECT_THAT(read_tls_ciphers("ALL")->tls12, Not(HasSubstr("ALL:!eNULL")));
}

}  // namespace
}  // namespace penstock::net
