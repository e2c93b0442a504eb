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

TEST(ByteBuffer, what_is_discarded_leaves_its_neighbours_as_they_are) {
  constexpr size_t kSize = 1_MiB;
  ByteBuffer buffer(kSize);
  buffer.resize(kSize);
  std::memset(buffer.data(), 'x', kSize);
  constexpr size_t kBegin = 5'000;
  constexpr size_t kEnd = kSize - 5'000;
  buffer.discard(kBegin, kEnd);
  buffer.discard(kBegin, kBegin);
  const std::string_view text = as_text(buffer.view());
  EXPECT_EQ(text.substr(0, kBegin), std::string(kBegin, 'x'));
  EXPECT_EQ(text.substr(kEnd), std::string(kSize - kEnd, 'x'));
  // On Linux what was given back reads as zeros: that it was is the point of it.
  EXPECT_EQ(text[kSize / 2], 0);
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
