// LogSettings: what the daemon said of a log when it opened it. The settings may be replaced while
// another thread still reads the former ones: those stay alive.
//
// Thread: text() on any; the others with SpoolState's lock.
#pragma once

#include <atomic>
#include <deque>
#include <string>
#include <utility>

#include "spool/spool.h"

namespace penstock::spool {

class LogSettings {
 public:
  explicit LogSettings(StreamOptions options)
      : options_(std::move(options)), text_(&options_.settings) {}

  [[nodiscard]] const std::string& stream() const { return options_.stream; }
  [[nodiscard]] const std::string& target() const { return options_.target; }
  [[nodiscard]] uint64_t bytes_max() const { return options_.bytes_max; }
  [[nodiscard]] const std::string& text() const { return *text_.load(); }
  // For the same stream and target.
  void renew(const StreamOptions& options) {
    options_.bytes_max = options.bytes_max;
    if (options.settings != text()) text_ = &later_.emplace_back(options.settings);
  }

 private:
  StreamOptions options_;
  std::deque<std::string> later_;
  std::atomic<const std::string*> text_;
};

}  // namespace penstock::spool
