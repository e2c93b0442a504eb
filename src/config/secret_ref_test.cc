#include "config/secret_ref.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "config/test_files.h"

namespace penstock::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Secrets, AreTheFirstLine) {
  const TestFiles files;
  EXPECT_EQ(read_secret({files.write("a", "s3cret\n")}), "s3cret");
  EXPECT_EQ(read_secret({files.write("b", "s3cret\r\nrest\n")}), "s3cret");
  EXPECT_EQ(read_secret({files.write("c", " with spaces ")}), " with spaces ");
}

TEST(Secrets, AreReadInOrderWhileRotating) {
  const TestFiles files;
  EXPECT_THAT(*read_secrets({{files.write("new", "n")}, {files.write("old", "o")}}),
              ElementsAre("n", "o"));
}

TEST(Secrets, ThatCannotBeReadNameTheFileAndNotTheContent) {
  const TestFiles files;
  EXPECT_THAT(read_secret({files.path("none")}).error().message, HasSubstr("none: No such file"));
  EXPECT_FALSE(read_secret({files.write("empty", "")}).has_value());
  EXPECT_FALSE(read_secret({files.write("huge", std::string(2 << 20, 'x'))}).has_value());
  EXPECT_EQ(read_secret({files.path("none")}).error().kind, Error::Kind::usage);
}

TEST(Secrets, AFifoDoesNotHangTheStart) {
  const TestFiles files;
  ASSERT_EQ(::mkfifo(files.path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(read_secret({files.path("fifo")}).has_value());
}

}  // namespace
}  // namespace penstock::config
