#include "spool/spool_directory.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "spool/log_directory.h"
#include "spool/segment_format.h"

namespace penstock::spool {
namespace {

constexpr std::string_view kFormatName = "format";
constexpr std::string_view kCopyName = "format.copy";
constexpr std::string_view kFormatText = "penstock spool ";

auto cannot(std::string_view what, const std::string& path, const IoError& error,
            std::string_view cure) {
  return run_error("cannot " + std::string(what) + " " + path + ": " + error.text() + "; " +
                   std::string(cure));
}

std::string own_name() {
  char host[256] = "?";
  ::gethostname(host, sizeof host - 1);
  return "process " + std::to_string(::getpid()) + " on " + host + "\n";
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string format_text(uint32_t version) {
  return std::string(kFormatText) + std::to_string(version) + "\n";
}

// The same with a checksum, for when that one cannot be read.
std::string copy_text(uint32_t version) {
  return format_text(version) + checksum_line(format_text(version));
}

// 0: the text does not begin with one.
uint32_t version_in(const IoResult<std::string>& text) {
  uint32_t version = 0;
  if (text && text->starts_with(kFormatText)) {
    std::from_chars(text->data() + kFormatText.size(), text->data() + text->size(), version);
  }
  return version;
}

// 0: it is not there, or not whole.
uint32_t copy_version(FileSystem& file_system, const std::string& path) {
  const auto text = read_small_file(file_system, path + "/" + std::string(kCopyName));
  const uint32_t version = version_in(text);
  return text && *text == copy_text(version) ? version : 0;
}

// 0: there is no format file yet.
Result<uint32_t, Error> format_version(FileSystem& file_system, const std::string& path) {
  const auto text = read_small_file(file_system, path + "/" + std::string(kFormatName));
  uint32_t version = version_in(text);
  if (version == 0) version = copy_version(file_system, path);
  if (version != 0) return version;
  if (!text && text.error().code == ENOENT) return 0;
  if (!text) return cannot("read", path + "/format", text.error(), "see that this user may");
  return run_error(path + "/format is damaged or not a penstock spool's: if this version of" +
                   " penstock wrote the spool, write \"" + first_line(format_text(kFormatVersion)) +
                   "\" into it, else use another directory");
}

// An earlier version's directory is marked before anything of this version is written into it. The
// new text is as long as the old one and needs no room: a start must not fail on a full disk.
IoResult<void> write_format(FileSystem& file_system, const std::string& path, uint32_t present) {
  const std::string text = format_text(kFormatVersion);
  if (present == 0) return replace_file(file_system, path, std::string(kFormatName), text);
  auto file = file_system.open(path + "/" + std::string(kFormatName), {.write = true});
  if (!file) return failure(file.error());
  if (auto done = (*file)->write_at(0, as_bytes(text)); !done) return done;
  return (*file)->sync();
}

// What is missing or damaged of the two. Where the disk is full the next start has another try.
void mend_format(FileSystem& file_system, const std::string& path) {
  const std::string formats[][2] = {{std::string(kFormatName), format_text(kFormatVersion)},
                                    {std::string(kCopyName), copy_text(kFormatVersion)}};
  for (const auto& [name, text] : formats) {
    const auto present = read_small_file(file_system, path + "/" + name);
    if (!present || *present != text) (void)replace_file(file_system, path, name, text);
  }
}

// Takes the lock, and marks an earlier version's directory as this one's.
Result<std::unique_ptr<File>, Error> take_lock(FileSystem& file_system, const std::string& path,
                                               std::string_view if_in_use) {
  // Looked at before anything is written: what a later version made is left as it is.
  const auto version = format_version(file_system, path);
  if (!version) return failure(version.error());
  if (*version > kFormatVersion) {
    return run_error(path + " was made by a later version of penstock (format " +
                     std::to_string(*version) + ", this one reads up to " +
                     std::to_string(kFormatVersion) + "): use that version, or another directory");
  }
  auto lock = file_system.lock(path + "/lock");
  if (!lock && lock.error().code == EWOULDBLOCK) {
    const auto holder = read_small_file(file_system, path + "/lock");
    return run_error("the spool " + path + " is in use by " +
                     (holder && !holder->empty() ? first_line(*holder) : "another process") + ": " +
                     std::string(if_in_use));
  }
  if (!lock) return cannot("lock", path + "/lock", lock.error(), "let this user write there");
  (void)(*lock)->truncate(0);
  (void)(*lock)->write_at(0, as_bytes(own_name()));  // only so that others can tell
  if (*version < kFormatVersion) {
    if (auto done = write_format(file_system, path, *version); !done) {
      return cannot("write to", path, done.error(), "let this user write there, or make room");
    }
  }
  mend_format(file_system, path);
  return std::move(*lock);
}

}  // namespace

Result<SpoolDirectory, Error> SpoolDirectory::open(FileSystem& file_system, const std::string& path,
                                                   uint64_t repeats_max) {
  SpoolDirectory directory;
  directory.path_ = path;
  if (auto done = file_system.make_directory(path); !done) {
    return cannot("make the spool directory", path, done.error(),
                  "make it, or let this user write beside it");
  }
  // So that the directory itself outlives a loss of power. Where the one above may not be opened,
  // it is a volume's root, which does.
  const size_t slash = path.find_last_of('/');
  (void)file_system.sync_directory(slash == std::string::npos ? "."
                                   : slash == 0               ? "/"
                                                              : path.substr(0, slash));
  auto lock = take_lock(file_system, path, "stop it, or use another directory");
  if (!lock) return failure(lock.error());
  directory.lock_ = std::move(*lock);
  auto made = file_system.make_directory(directory.streams_path());
  if (made) made = file_system.sync_directory(path);
  if (!made) return cannot("write to", path, made.error(), "let this user write there");
  auto repeats = RepeatLog::open(file_system, path + "/repeats", repeats_max);
  if (!repeats) {
    return cannot("open", path + "/repeats", repeats.error(), "make room, or remove the file");
  }
  directory.repeat_log_ = std::move(*repeats);
  return directory;
}

Result<std::unique_ptr<File>, Error> lock_spool(FileSystem& file_system, const std::string& path) {
  const auto version = format_version(file_system, path);
  if (!version) return failure(version.error());
  if (*version == 0) return run_error(path + " holds no spool: give spool.directory");
  return take_lock(file_system, path, "stop it first, then run this again");
}

}  // namespace penstock::spool
