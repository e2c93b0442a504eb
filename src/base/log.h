// Our own diagnostics on stderr: one line an event, logfmt (or JSON), never a record's content and
// never a secret. What peers can cause repeatedly goes through log_limited().
//
//   log_info("listening", {{"source", name}, {"address", address}});
//
// Thread: any.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock {

enum class LogLevel : uint8_t { debug, info, warn, error };
enum class LogFormat : uint8_t { logfmt, json };

struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, std::integral auto v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, double v) : key(k), value(std::to_string(v)) {}
};

void set_log_level(LogLevel level);
void set_log_format(LogFormat format);
[[nodiscard]] Result<LogLevel, Error> parse_log_level(std::string_view text);
[[nodiscard]] Result<LogFormat, Error> parse_log_format(std::string_view text);

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
inline void log_debug(std::string_view m, std::initializer_list<LogField> f = {}) {
  log(LogLevel::debug, m, f);
}
inline void log_info(std::string_view m, std::initializer_list<LogField> f = {}) {
  log(LogLevel::info, m, f);
}
inline void log_warn(std::string_view m, std::initializer_list<LogField> f = {}) {
  log(LogLevel::warn, m, f);
}
inline void log_error(std::string_view m, std::initializer_list<LogField> f = {}) {
  log(LogLevel::error, m, f);
}

// At most one line each 10 s for the same key; the next one says how many were left out.
// key: a short, bounded text such as "forward/bad_key" (at most 1,000 keys are remembered).
void log_limited(LogLevel level, std::string_view key, std::string_view message,
                 std::initializer_list<LogField> fields = {});

// The line that log() would write, without the newline; for tests.
[[nodiscard]] std::string format_log_line(LogFormat format, LogLevel level, std::string_view time,
                                          std::string_view message,
                                          std::initializer_list<LogField> fields);

}  // namespace penstock
