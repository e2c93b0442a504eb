#include "codec/base64.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace penstock::codec {
namespace {

std::string encoded(std::string_view text) {
  ByteBuffer out;
  append_base64(out, as_bytes(text));
  return std::string(as_text(out.view()));
}

// The plainest loop there is: six bits at a time.
std::string oracle(ByteView bytes) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t bit = 0; bit < bytes.size() * 8; bit += 6) {
    unsigned value = 0;
    for (size_t i = bit; i < bit + 6; ++i) {
      const bool set = i < bytes.size() * 8 && (bytes[i / 8] >> (7 - i % 8) & 1) != 0;
      value = value * 2 + (set ? 1 : 0);
    }
    out += alphabet[value];
  }
  while (out.size() % 4 != 0) out += '=';
  return out;
}

TEST(Base64, EncodesTheVectorsOfRfc4648) {
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foob"), "Zm9vYg==");
  EXPECT_EQ(encoded("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
}

TEST(Base64, AgreesWithThePlainLoopAndReadsBackAtEveryLength) {
  std::mt19937 random(20261123);
  for (size_t size = 0; size < 300; ++size) {
    ByteBuffer bytes;
    for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<uint8_t>(random()));
    ByteBuffer text;
    append_base64(text, bytes.view());
    ASSERT_EQ(as_text(text.view()), oracle(bytes.view()));

    ByteBuffer back = ByteBuffer::copy_of(as_bytes("before"));
    ASSERT_TRUE(decode_base64(back, text.view()));
    ASSERT_EQ(as_text(back.view()), "before" + std::string(as_text(bytes.view())));
  }
}

TEST(Base64, RefusesWhatIsNotPaddedBase64AndLeavesTheBufferAlone) {
  for (const char* text : {"Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm9_",
                           "Zh==", "Zm9=", "=m9v", "Z=9v"}) {
    ByteBuffer out = ByteBuffer::copy_of(as_bytes("kept"));
    EXPECT_FALSE(decode_base64(out, as_bytes(text))) << text;
    EXPECT_EQ(as_text(out.view()), "kept");
  }
}

}  // namespace
}  // namespace penstock::codec
