#include "kinesis/credentials/ini_file.h"

#include <gmock/gmock.h>

namespace penstock::kinesis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(IniFile, KeysBelowTheirSectionMayBeIndented) {
  const auto sections = parse_ini("[a]\n\tkey = 1\n\tOther: 2\n");
  ASSERT_TRUE(sections) << sections.error();
  ASSERT_EQ(sections->size(), 1u);
  EXPECT_THAT(sections->front().values, UnorderedElementsAre(Pair("key", "1"), Pair("other", "2")));
}

TEST(IniFile, ErrorsNameTheLineAndRepeatNothingOfIt) {
  const auto sections = parse_ini("[a]\nkey = 1\n\nwJalrXUtnFEMI\n");
  ASSERT_FALSE(sections);
  EXPECT_THAT(sections.error(), AllOf(HasSubstr("line 4"), Not(HasSubstr("wJalr"))));
}

}  // namespace
}  // namespace penstock::kinesis
