#include "codec/percent_encoding.h"

#include <gtest/gtest.h>

namespace penstock::codec {
namespace {

TEST(PercentEncoding, UnreservedCharactersStayAndAllOthersAreTwoUpperCaseDigits) {
  EXPECT_EQ(percent_encoded("aZ09-_.~"), "aZ09-_.~");
  EXPECT_EQ(percent_encoded("a b+/%"), "a%20b%2B%2F%25");
  EXPECT_EQ(percent_encoded(std::string_view("\0\xff", 2)), "%00%FF");
  EXPECT_EQ(percent_encoded(""), "");
}

TEST(PercentEncoding, WhatIsNamedStaysToo) {
  EXPECT_EQ(percent_encoded("/a%20b/", "/"), "/a%2520b/");
}

}  // namespace
}  // namespace penstock::codec
