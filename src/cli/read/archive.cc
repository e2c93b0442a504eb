#include "cli/read/archive.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <set>

#include "kinesis_format/read/object_reader.h"

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 256_KiB;
constexpr size_t kRecordBytesMax = 64_MiB;
// Deeper than any layout of keys; a limit for file systems that go round in circles.
constexpr int kDepthMax = 64;

// A directory of any size is listed in bounded memory: so many names for each time it is read.
constexpr size_t kNamesMax = 50'000;

// The first names behind `after` (empty: of all), in order.
Result<std::set<std::string>, Error> next_names(const fs::path& directory,
                                                const std::string& after) {
  std::error_code error;
  std::set<std::string> names;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    std::string name = at->path().filename().string();
    const bool is_full = names.size() == kNamesMax;
    if (name <= after || (is_full && name > *names.rbegin())) continue;
    if (is_full) names.erase(std::prev(names.end()));
    names.insert(std::move(name));
  }
  if (error) return run_error("cannot list " + directory.string() + ": " + error.message());
  return names;
}

Result<bool, Error> walk(const fs::path& directory,
                         const std::function<bool(const std::string&)>& visit, int depth) {
  std::string after;
  while (true) {
    const auto names = next_names(directory, after);
    if (!names) return failure(names.error());
    for (const std::string& name : *names) {
      const fs::path path = directory / name;
      std::error_code error;
      const fs::file_status status = fs::symlink_status(path, error);
      if (fs::is_directory(status)) {
        if (depth == kDepthMax) return run_error(path.string() + ": nested too deep");
        auto wants_more = walk(path, visit, depth + 1);
        if (!wants_more || !*wants_more) return wants_more;
      } else if (fs::is_regular_file(status) && !visit(path.string())) {
        return false;
      }
    }
    if (names->size() < kNamesMax) return true;
    after = *names->rbegin();
  }
}

struct Close {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

}  // namespace

Result<void, Error> for_each_object(const std::string& path,
                                    const std::function<bool(const std::string&)>& visit) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    return usage_error("cannot open " + path + ": " +
                       (error ? error.message() : std::string("no such file or directory")));
  }
  if (!fs::is_directory(status)) {
    (void)visit(path);
    return {};
  }
  const auto walked = walk(path, visit, 0);
  if (!walked) return failure(walked.error());
  return {};
}

kinesis_format::UnpackOptions archive_unpack_options() {
  return {.inflated_bytes_max = kRecordBytesMax, .parts_bytes_max = 64_MiB};
}

Result<void, Error> read_object(const std::string& file, kinesis_format::Unpacker& unpacker,
                                const std::function<bool()>& wants_more) {
  const bool is_stdin = file == "-";
  const std::string name = is_stdin ? "stdin" : file;
  const std::unique_ptr<std::FILE, Close> input(is_stdin ? stdin : std::fopen(file.c_str(), "rb"));
  if (!input) return run_error("cannot open " + name + ": " + std::strerror(errno));
  kinesis_format::ObjectReader reader([&](ByteView record) { unpacker.add(record, name); },
                                      kRecordBytesMax);
  const auto damage = [&name](kinesis_format::ObjectError error) {
    return run_error(name + ": " + std::string(to_string(error)) +
                     "; fetch the object again, or restore its previous version");
  };
  ByteBuffer bytes(kReadBytes);
  while (wants_more()) {
    const size_t size = std::fread(bytes.data(), 1, kReadBytes, input.get());
    if (const auto added = reader.add({bytes.data(), size}); !added) return damage(added.error());
    if (size == kReadBytes) continue;
    if (std::ferror(input.get()) != 0) {
      return run_error("cannot read " + name + ": " + std::strerror(errno));
    }
    if (const auto done = reader.finish(); !done) return damage(done.error());
    return {};
  }
  return {};
}

}  // namespace penstock::cli
