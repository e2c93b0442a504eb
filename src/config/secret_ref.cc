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

Result<std::string, Error> read_secret(const SecretRef& secret) {
  auto content = read_small_file(secret.path);
  if (!content) return content;
  content->resize(std::min(content->find('\n'), content->size()));
  if (!content->empty() && content->back() == '\r') content->pop_back();
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
