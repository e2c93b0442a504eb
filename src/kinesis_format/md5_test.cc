#include "kinesis_format/md5.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <random>
#include <string>
#include <vector>

#include "kinesis_format/u128.h"

namespace penstock::kinesis_format {
namespace {

std::string hex(const Md5Digest& digest) {
  std::string out;
  for (const uint8_t byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

TEST(Md5, GivesTheVectorsOfRfc1321) {
  EXPECT_EQ(hex(md5(as_bytes(""))), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex(md5(as_bytes("abc"))), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(md5(as_bytes("message digest"))), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(hex(md5(as_bytes("1234567890123456789012345678901234567890"
                             "1234567890123456789012345678901234567890"))),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Md5, AgreesWithOpenSslAtEveryLength) {
  std::string text;
  for (size_t size = 0; size < 400; ++size) {
    Md5Digest expected;
    unsigned written = 0;
    if (EVP_Digest(text.data(), text.size(), expected.data(), &written, EVP_md5(), nullptr) != 1) {
      GTEST_SKIP() << "OpenSSL refuses MD5 on this host";
    }
    ASSERT_EQ(md5(as_bytes(text)), expected) << size;
    text += static_cast<char>(size * 37);
  }
}

TEST(Md5, OfSeveralIsThatOfEach) {
  std::mt19937 random(7);
  for (size_t count = 0; count < 40; ++count) {
    std::vector<std::string> texts(count);
    for (std::string& text : texts) {
      text.resize(random() % (count % 2 == 0 ? 300 : 70'000));
      for (char& c : text) c = static_cast<char>(random());
    }
    std::vector<ByteView> views;
    for (const std::string& text : texts) views.push_back(as_bytes(text));
    for (const bool may_use_avx2 : {true, false}) {
      std::vector<Md5Digest> digests(count);
      md5_of_each(views, digests, may_use_avx2);
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(digests[i], md5(views[i])) << i << "/" << count;
    }
  }
}

TEST(HashKey, IsTheMd5OfThePartitionKeyAsABigEndianNumber) {
  EXPECT_EQ(to_decimal(hash_key_of("a")), "16955237001963240173058271559858726497");
  EXPECT_EQ(to_decimal(hash_key_of("b")), "195289424170611159128911017612795795343");
  EXPECT_EQ(to_decimal(hash_key_of("123")), "42767516990368493138776584305024125808");
}

TEST(Uint128Decimal, GoesBothWays) {
  EXPECT_EQ(to_decimal(0), "0");
  EXPECT_EQ(to_decimal(~Uint128{0}), "340282366920938463463374607431768211455");
  EXPECT_EQ(to_decimal(Uint128{1} << 127), "170141183460469231731687303715884105728");
  EXPECT_EQ(to_decimal(1'000'000'000'000'000'000), "1000000000000000000");
  Uint128 value = 1;
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(parse_decimal(to_decimal(value)), value);
    value = value * 7 + 3;
  }
}

TEST(Uint128Decimal, RefusesWhatTheServiceRefuses) {
  for (const char* text :
       {"", "00", "01", "-1", "1 ", "0x1", "340282366920938463463374607431768211456",
        "999999999999999999999999999999999999999", "1000000000000000000000000000000000000000"}) {
    EXPECT_EQ(parse_decimal(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace penstock::kinesis_format
