#include "spool/log_directory.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <utility>

#include "base/hash.h"

namespace penstock::spool {
namespace {

constexpr std::string_view kDescriptionNames[] = {"description", "description.copy"};
constexpr std::string_view kFirstLine = "penstock log 1\n";
constexpr uint64_t kSmallFileBytesMax = 1 << 20;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// "name 5\nvalue\n": texts with anything in them, and still readable.
void append_text(std::string& to, std::string_view name, std::string_view value) {
  to += name;
  to += ' ';
  to += std::to_string(value.size());
  to += '\n';
  to += value;
  to += '\n';
}

std::optional<std::string> take_text(std::string_view& from, std::string_view name) {
  if (!from.starts_with(name) || from.size() <= name.size()) return std::nullopt;
  from.remove_prefix(name.size() + 1);
  size_t size = 0;
  const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), size);
  if (error != std::errc()) return std::nullopt;
  from.remove_prefix(static_cast<size_t>(end - from.data()));
  if (from.size() < 2 || size > from.size() - 2) return std::nullopt;
  std::string value(from.substr(1, size));
  from.remove_prefix(size + 2);
  return value;
}

std::optional<LogDescription> parse_description(std::string_view text) {
  std::string_view left = text;
  if (!left.starts_with(kFirstLine)) return std::nullopt;
  left.remove_prefix(kFirstLine.size());
  auto stream = take_text(left, "stream");
  auto target = take_text(left, "target");
  auto settings = take_text(left, "settings");
  if (!stream || !target || !settings) return std::nullopt;
  if (left != checksum_line(text.substr(0, text.size() - left.size()))) return std::nullopt;
  return LogDescription{std::move(*stream), std::move(*target), std::move(*settings)};
}

// nullopt: none there, not whole, or of another stream than the directory's name says. An error
// says nothing of the file: it may be read later.
IoResult<std::optional<LogDescription>> read_copy(FileSystem& file_system,
                                                  const std::string& directory,
                                                  std::string_view name) {
  const auto text = read_small_file(file_system, directory + "/" + std::string(name));
  if (text) {
    auto description = parse_description(*text);
    const auto named = parse_directory_name(directory.substr(directory.rfind('/') + 1));
    if (description && named && named->stream != description->stream) return std::nullopt;
    return description;
  }
  for (const int no_such_file : {ENOENT, EFBIG, EISDIR, ENOTDIR, ELOOP}) {
    if (text.error().code == no_such_file) return std::nullopt;
  }
  return failure(text.error());
}

}  // namespace

std::string directory_name(std::string_view stream, uint64_t generation) {
  std::string name;
  for (const char c : stream) {
    if (is_plain(c)) {
      name += c;
    } else {
      char escaped[4];
      std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(c));
      name += escaped;
    }
  }
  return name + "." + std::to_string(generation);
}

std::optional<DirectoryName> parse_directory_name(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  DirectoryName parsed;
  const char* const end = name.data() + name.size();
  const auto number = std::from_chars(name.data() + dot + 1, end, parsed.generation);
  if (number.ec != std::errc() || number.ptr != end) return std::nullopt;
  for (size_t i = 0; i < dot; ++i) {
    if (name[i] != '%') {
      if (!is_plain(name[i])) return std::nullopt;
      parsed.stream += name[i];
      continue;
    }
    unsigned value = 0;
    if (i + 2 >= dot) return std::nullopt;
    const auto digits = std::from_chars(name.data() + i + 1, name.data() + i + 3, value, 16);
    if (digits.ptr != name.data() + i + 3) return std::nullopt;
    parsed.stream += static_cast<char>(value);
    i += 2;
  }
  return parsed;
}

uint64_t log_id(std::string_view directory, bool of_letters) {
  std::string what = "dead letters";
  if (!of_letters) {
    const size_t slash = directory.rfind('/');
    const std::string_view last = directory.substr(slash + 1);
    const bool overflow = slash != directory.npos && is_overflow_name(last);
    if (overflow) directory = directory.substr(0, slash);
    const auto name = parse_directory_name(directory.substr(directory.rfind('/') + 1));
    if (!name) return 0;
    what = (overflow ? std::string(last) + " of " : "log of ") + name->stream;
  }
  return checksum64(as_bytes(what)) | 1;
}

std::string segment_path(const std::string& directory, uint64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "/%016llx.seg", static_cast<unsigned long long>(number));
  return directory + name;
}

std::string spare_path(const std::string& directory) { return directory + "/spare.seg"; }

std::string overflow_path(const std::string& directory, size_t slot) {
  return directory + "/overflow-" + std::to_string(slot);
}

bool is_overflow_name(std::string_view name) { return name.starts_with("overflow-"); }

std::optional<uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != 20 || !name.ends_with(".seg")) return std::nullopt;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, number, 16);
  if (error != std::errc() || end != name.data() + 16) return std::nullopt;
  return number;
}

std::string checksum_line(std::string_view text) {
  char line[40];
  std::snprintf(line, sizeof line, "checksum %016llx\n",
                static_cast<unsigned long long>(checksum64(as_bytes(text))));
  return line;
}

IoResult<void> replace_file(FileSystem& file_system, const std::string& directory,
                            const std::string& name, std::string_view content) {
  const std::string path = directory + "/" + name;
  const std::string aside = path + ".new";
  const auto replace = [&]() -> IoResult<void> {
    auto file = file_system.open(aside, {.write = true, .create = true});
    if (!file) return failure(file.error());
    if (auto done = (*file)->truncate(0); !done) return done;
    if (auto done = (*file)->write_at(0, as_bytes(content)); !done) return done;
    if (auto done = (*file)->sync(); !done) return done;
    return file_system.rename(aside, path);
  };
  if (auto done = replace(); !done) {
    (void)file_system.remove(aside);
    return done;
  }
  return file_system.sync_directory(directory);
}

IoResult<std::string> read_small_file(FileSystem& file_system, const std::string& path) {
  auto file = file_system.open(path, {});
  if (!file) return failure(file.error());
  const auto size = (*file)->size();
  if (!size) return failure(size.error());
  if (*size > kSmallFileBytesMax) return failure(IoError{EFBIG});
  std::string content(*size, '\0');
  const auto got =
      (*file)->read_at(0, {reinterpret_cast<uint8_t*>(content.data()), content.size()});
  if (!got) return failure(got.error());
  content.resize(*got);
  return content;
}

IoResult<void> write_description(FileSystem& file_system, const std::string& directory,
                                 const LogDescription& description) {
  std::string text(kFirstLine);
  append_text(text, "stream", description.stream);
  append_text(text, "target", description.target);
  append_text(text, "settings", description.settings);
  text += checksum_line(text);
  for (const std::string_view name : kDescriptionNames) {
    auto done = replace_file(file_system, directory, std::string(name), text);
    if (!done) return done;
  }
  return {};
}

IoResult<std::optional<LogDescription>> read_description(FileSystem& file_system,
                                                         const std::string& directory) {
  std::optional<IoError> unreadable;
  for (const std::string_view name : kDescriptionNames) {
    auto read = read_copy(file_system, directory, name);
    if (!read) {
      unreadable = read.error();
    } else if (read->has_value()) {
      return read;
    }
  }
  if (unreadable) return failure(*unreadable);
  return std::nullopt;
}

bool has_both_descriptions(FileSystem& file_system, const std::string& directory) {
  std::optional<LogDescription> first;
  for (const std::string_view name : kDescriptionNames) {
    auto read = read_copy(file_system, directory, name);
    if (!read || !read->has_value() || (first && *first != **read)) return false;
    first = std::move(*read);
  }
  return true;
}

}  // namespace penstock::spool
