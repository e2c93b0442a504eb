// What a command may do with the terminal it writes to.
#pragma once

#include <cstdio>
#include <string>

namespace penstock::cli {

// Colors: a terminal, and neither NO_COLOR nor TERM=dumb says otherwise (no-color.org).
[[nodiscard]] bool wants_colors(std::FILE* out);

// One line on stderr that is written over, a few times a second; nothing where there is no
// terminal. The destructor takes it away.
class Progress {
 public:
  // is_wanted: false shows nothing at all.
  explicit Progress(bool is_wanted = true);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // text: made only when it is due.
  template <class Text>
  void show(Text text) {
    if (is_due()) write(text());
  }

 private:
  [[nodiscard]] bool is_due();
  static void write(const std::string& text);

  const bool shown_;
  long long next_ms_ = 0;
  bool written_ = false;
};

}  // namespace penstock::cli
