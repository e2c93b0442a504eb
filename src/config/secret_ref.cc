#include "config/secret_ref.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/unique_fd.h"

namespace penstock::config {
namespace {

constexpr size_t kFileBytesMax = 1_MiB;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string reason_of(int error) { return std::strerror(error); }

}  // namespace

Result<std::string, Error> read_small_file(const std::string& path) {
  // O_NONBLOCK: a FIFO in place of the file must not hang the start.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return usage_error("cannot read " + path + ": " + reason_of(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return usage_error("cannot read " + path + ": " + reason_of(errno));
  }
  if (S_ISDIR(status.st_mode)) return usage_error("cannot read " + path + ": it is a directory");
  std::string content;
  char block[16_KiB];
  for (;;) {
    const ssize_t got = ::read(fd.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return usage_error("cannot read " + path + ": " + reason_of(errno));
    if (got == 0) return content;
    content.append(block, static_cast<size_t>(got));
    if (content.size() > kFileBytesMax) {
      return usage_error("cannot read " + path + ": it is larger than 1 MiB");
    }
  }
}

std::string encoding_complaint(std::string_view text) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff") ||
      text.find('\0') != std::string_view::npos) {
    return "is UTF-16, or no text at all";
  }
  if (text.starts_with(kByteOrderMark)) return "begins with a byte order mark";
  return {};
}

Result<std::string, Error> read_secret(const SecretRef& secret) {
  auto content = read_small_file(secret.path);
  if (!content) return content;
  if (content->starts_with(kByteOrderMark)) content->erase(0, kByteOrderMark.size());
  if (const std::string complaint = encoding_complaint(*content); !complaint.empty()) {
    return usage_error(secret.path + " " + complaint + ": save it as plain text (UTF-8)");
  }
  content->resize(std::min(content->find_first_of("\r\n"), content->size()));
  if (content->empty()) return usage_error("the first line of " + secret.path + " is empty");
  return content;
}

Result<std::vector<std::string>, Error> read_secrets(const std::vector<SecretRef>& secrets) {
  std::vector<std::string> values;
  for (const SecretRef& secret : secrets) {
    auto value = read_secret(secret);
    if (!value) return failure(std::move(value.error()));
    values.push_back(std::move(*value));
  }
  return values;
}

}  // namespace penstock::config
