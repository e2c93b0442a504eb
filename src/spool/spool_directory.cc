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

// 0: there is no format file yet.
Result<uint32_t, Error> format_version(FileSystem& file_system, const std::string& path) {
  const auto text = read_small_file(file_system, path + "/" + std::string(kFormatName));
  if (!text) {
    if (text.error().code == ENOENT) return 0;
    return cannot("read", path + "/format", text.error(), "see that this user may");
  }
  uint32_t version = 0;
  if (text->starts_with(kFormatText)) {
    std::from_chars(text->data() + kFormatText.size(), text->data() + text->size(), version);
  }
  if (version == 0) {
    return run_error(path + "/format is not a penstock spool's: use another directory");
  }
  return version;
}

// An earlier version's directory is marked before anything of this version is written into it. The
// new text is as long as the old one and needs no room: a start must not fail on a full disk.
IoResult<void> write_format(FileSystem& file_system, const std::string& path, uint32_t present) {
  const std::string text = std::string(kFormatText) + std::to_string(kFormatVersion) + "\n";
  if (present == 0) return replace_file(file_system, path, std::string(kFormatName), text);
  auto file = file_system.open(path + "/" + std::string(kFormatName), {.write = true});
  if (!file) return failure(file.error());
  if (auto done = (*file)->write_at(0, as_bytes(text)); !done) return done;
  return (*file)->sync();
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
                     (holder && !holder->empty() ? first_line(*holder) : "another process") +
                     ": stop it, or use another directory");
  }
  if (!lock) return cannot("lock", path + "/lock", lock.error(), "let this user write there");
  directory.lock_ = std::move(*lock);
  (void)directory.lock_->truncate(0);
  (void)directory.lock_->write_at(0, as_bytes(own_name()));  // only so that others can tell

  if (*version < kFormatVersion) {
    if (auto done = write_format(file_system, path, *version); !done) {
      return cannot("write to", path, done.error(), "let this user write there, or make room");
    }
  }
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

}  // namespace penstock::spool
