#include "cli/terminal.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string_view>

namespace penstock::cli {
namespace {

constexpr long long kIntervalMs = 200;

long long now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

bool wants_colors(std::FILE* out) {
  const char* const none = std::getenv("NO_COLOR");
  if (none != nullptr && *none != '\0') return false;
  const char* const terminal = std::getenv("TERM");
  if (terminal == nullptr || std::string_view(terminal) == "dumb") return false;
  return ::isatty(fileno(out)) == 1;
}

// The first line comes after a moment: what is done at once needs none.
Progress::Progress(bool is_wanted)
    : shown_(is_wanted && ::isatty(STDERR_FILENO) == 1), next_ms_(now_ms() + kIntervalMs) {}

Progress::~Progress() {
  if (written_) std::fputs("\r\x1b[K", stderr);
}

bool Progress::is_due() {
  if (!shown_) return false;
  const long long now = now_ms();
  if (now < next_ms_) return false;
  next_ms_ = now + kIntervalMs;
  written_ = true;
  return true;
}

void Progress::write(const std::string& text) {
  std::fprintf(stderr, "\r\x1b[K%s", text.c_str());
  std::fflush(stderr);
}

}  // namespace penstock::cli
