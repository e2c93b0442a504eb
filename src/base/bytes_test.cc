#include "base/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace penstock {
namespace {

std::string text_of(const ByteBuffer& buffer) { return std::string(as_text(buffer.view())); }

TEST(ByteBuffer, one_that_never_held_anything_may_be_asked_for_everything_that_asks_for_nothing) {
  ByteBuffer buffer;
  buffer.consume(0);  // with UBSan: no null pointer reaches memmove
  buffer.append(ByteView());
  buffer.commit(0);
  buffer.resize(0);
  EXPECT_TRUE(buffer.empty());
  EXPECT_TRUE(buffer.free_space().empty());
}

TEST(ByteBuffer, what_is_consumed_makes_the_rest_move_down) {
  ByteBuffer buffer;
  buffer.append("abcdef");
  buffer.consume(0);
  EXPECT_EQ(text_of(buffer), "abcdef");
  buffer.consume(2);
  EXPECT_EQ(text_of(buffer), "cdef");
  buffer.consume(4);
  EXPECT_EQ(text_of(buffer), "");
  buffer.append("g");
  EXPECT_EQ(text_of(buffer), "g");
}

}  // namespace
}  // namespace penstock
