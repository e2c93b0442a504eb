#include "config/file_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "config/test_files.h"

namespace penstock::config {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
namespace fs = std::filesystem;

constexpr FileWatch::Options kByInotify{milliseconds(3'600'000), milliseconds(5), true};
constexpr FileWatch::Options kByLooking{milliseconds(5), milliseconds(5), false};

// Collects what the watch tells, and waits until it has told enough.
class Told {
 public:
  FileWatch::Changed listener() {
    return [this](const std::vector<std::string>& files) {
      const std::lock_guard lock(mutex_);
      files_.insert(files_.end(), files.begin(), files.end());
      more_.notify_all();
    };
  }
  std::vector<std::string> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    more_.wait_for(lock, std::chrono::seconds(20), [&] { return files_.size() >= count; });
    return std::exchange(files_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<std::string> files_;
};

class EitherWay : public testing::TestWithParam<FileWatch::Options> {
 protected:
  TestFiles files;
  Told told;
};
INSTANTIATE_TEST_SUITE_P(Watch, EitherWay, testing::Values(kByInotify, kByLooking),
                         [](const auto& each) {
                           return each.param.use_inotify ? "ByInotify" : "ByLooking";
                         });

TEST_P(EitherWay, AFileThatIsWrittenAnewIsTold) {
  const std::string key = files.write("key", "old\n");
  const FileWatch watch({key, files.write("other", "same\n")}, told.listener(), GetParam());
  files.write("key", "new\n");
  EXPECT_THAT(told.wait_for(1), ElementsAre(key));
}

TEST_P(EitherWay, AFileThatIsRenamedIntoPlaceIsTold) {
  const std::string key = files.write("key", "old\n");
  const FileWatch watch({key}, told.listener(), GetParam());
  fs::rename(files.write("key.new", "new\n"), key);
  EXPECT_THAT(told.wait_for(1), ElementsAre(key));
}

TEST_P(EitherWay, AKubernetesVolumeThatSwapsItsDataLinkIsToldWithAllItsFiles) {
  fs::create_directories(files.path("..2026_1"));
  fs::create_directories(files.path("..2026_2"));
  for (const char* name : {"tls.crt", "tls.key"}) {
    files.write(std::string("..2026_1/") + name, "old");
    files.write(std::string("..2026_2/") + name, "new");
    fs::create_symlink(std::string("..data/") + name, files.path(name));
  }
  fs::create_directory_symlink("..2026_1", files.path("..data"));
  const FileWatch watch({files.path("tls.crt"), files.path("tls.key")}, told.listener(),
                        GetParam());

  fs::create_directory_symlink("..2026_2", files.path("..data_tmp"));
  fs::rename(files.path("..data_tmp"), files.path("..data"));

  EXPECT_THAT(told.wait_for(2), UnorderedElementsAre(files.path("tls.crt"), files.path("tls.key")));
}

TEST_P(EitherWay, AFileThatWasMissingIsToldWhenItComes) {
  const FileWatch watch({files.path("later")}, told.listener(), GetParam());
  files.write("later", "here");
  EXPECT_THAT(told.wait_for(1), ElementsAre(files.path("later")));
}

TEST_P(EitherWay, TouchingOrRemovingAFileTellsNothing) {
  const std::string key = files.write("key", "same\n");
  const std::string marker = files.write("marker", "1");
  const FileWatch watch({key, marker}, told.listener(), GetParam());
  files.write("key", "same\n");
  fs::remove(key);
  files.write("marker", "2");  // told last, so that what came before has been looked at
  EXPECT_THAT(told.wait_for(1), ElementsAre(marker));
}

TEST_P(EitherWay, OtherFilesCanBeWatchedInstead) {
  const std::string first = files.write("first", "1");
  fs::create_directory(files.path("other"));
  const std::string second = files.write("other/second", "1");
  FileWatch watch({first}, told.listener(), GetParam());

  watch.watch({second});
  files.write("first", "2");
  files.write("other/second", "2");

  EXPECT_THAT(told.wait_for(1), ElementsAre(second));
}

// By looking only in long intervals: nothing but these calls looks at the files.
TEST(FileWatch, WhatIsReadIsNotToldAndWhatIsWrittenMeanwhileIs) {
  constexpr FileWatch::Options kLateLook{milliseconds(200), milliseconds(5), false};
  TestFiles files;
  Told told;
  const std::string config = files.write("config", "1");
  const std::string key = files.write("key", "1");
  FileWatch watch({config, key}, told.listener(), kLateLook);
  files.write("config", "2");
  watch.expect_read();

  files.write("key", "2");  // after the reader has read it
  const std::string added = files.write("added", "1");
  watch.watch({config, key, added});

  EXPECT_THAT(told.wait_for(1), ElementsAre(key));
  files.write("added", "2");
  EXPECT_THAT(told.wait_for(1), ElementsAre(added));
}

}  // namespace
}  // namespace penstock::config
