#include "base/log.h"

#include <spdlog/details/os.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <unordered_map>

namespace penstock {
namespace {

constexpr std::chrono::seconds kRepeatInterval{10};
constexpr size_t kRememberedKeys = 1000;

std::atomic<LogLevel> minimum_level{LogLevel::info};
std::atomic<LogFormat> line_format{LogFormat::logfmt};

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "info";
}

void append_quoted(std::string& line, std::string_view text) {
  line += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c) & 0xffu);
      line += escaped;
    } else {
      line += c;
    }
  }
  line += '"';
}

void append_logfmt_value(std::string& line, std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" =\"\\") == std::string_view::npos &&
                     std::all_of(value.begin(), value.end(), [](char c) {
                       return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
                     });
  if (plain) {
    line += value;
  } else {
    append_quoted(line, value);
  }
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t second = std::chrono::system_clock::to_time_t(now);
  std::tm utc{};
  gmtime_r(&second, &utc);
  const auto millisecond =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  char text[80];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(millisecond));
  return text;
}

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("penstock", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_pattern("%v");
    made.set_level(spdlog::level::trace);
    made.flush_on(spdlog::level::trace);
    return made;
  }();
  return instance;
}

struct Repeat {
  std::chrono::steady_clock::time_point last;
  uint64_t left_out = 0;
};

}  // namespace

void set_log_level(LogLevel level) { minimum_level = level; }
void set_log_format(LogFormat format) { line_format = format; }

Result<LogLevel, Error> parse_log_level(std::string_view text) {
  for (const LogLevel level : {LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error}) {
    if (text == name_of(level)) return level;
  }
  return usage_error("unknown log level '" + std::string(text) +
                     "': use debug, info, warn or error");
}

Result<LogFormat, Error> parse_log_format(std::string_view text) {
  if (text == "logfmt") return LogFormat::logfmt;
  if (text == "json") return LogFormat::json;
  return usage_error("unknown log format '" + std::string(text) + "': use logfmt or json");
}

std::string format_log_line(LogFormat format, LogLevel level, std::string_view time,
                            std::string_view message, std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(160);
  if (format == LogFormat::json) {
    line += R"({"ts":")";
    line += time;
    line += R"(","level":")";
    line += name_of(level);
    line += R"(","msg":)";
    append_quoted(line, message);
    for (const LogField& field : fields) {
      line += ',';
      append_quoted(line, field.key);
      line += ':';
      append_quoted(line, field.value);
    }
    line += '}';
    return line;
  }
  line += "ts=";
  line += time;
  line += " level=";
  line += name_of(level);
  line += " msg=";
  append_logfmt_value(line, message);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_logfmt_value(line, field.value);
  }
  return line;
}

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  const std::string line = format_log_line(line_format, level, timestamp(), message, fields);
  logger().log(spdlog::level::info, spdlog::string_view_t(line));
}

void log_limited(LogLevel level, std::string_view key, std::string_view message,
                 std::initializer_list<LogField> fields) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  static std::mutex mutex;
  static std::unordered_map<std::string, Repeat> repeats;
  uint64_t left_out = 0;
  {
    const std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    if (repeats.size() >= kRememberedKeys && !repeats.contains(std::string(key))) repeats.clear();
    auto [entry, fresh] = repeats.try_emplace(std::string(key), Repeat{now, 0});
    if (!fresh) {
      if (now - entry->second.last < kRepeatInterval) {
        ++entry->second.left_out;
        return;
      }
      left_out = entry->second.left_out;
      entry->second = {now, 0};
    }
  }
  std::string line = format_log_line(line_format, level, timestamp(), message, fields);
  if (left_out > 0) {
    if (line_format == LogFormat::json) {
      line.insert(line.size() - 1, ",\"left_out\":" + std::to_string(left_out));
    } else {
      line += " left_out=" + std::to_string(left_out);
    }
  }
  logger().log(spdlog::level::info, spdlog::string_view_t(line));
}

}  // namespace penstock
