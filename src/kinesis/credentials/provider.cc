#include "kinesis/credentials/provider.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace penstock::kinesis {

Result<std::string, Error> read_credential_file(const std::string& path) {
  constexpr size_t kSizeMax = 1u << 20;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return run_error("cannot open " + path + ": " + std::strerror(errno));
  std::string text;
  char bytes[16384];
  for (;;) {
    const ssize_t count = ::read(fd.get(), bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return run_error("cannot read " + path + ": " + std::strerror(errno));
    if (count == 0) return text;
    text.append(bytes, static_cast<size_t>(count));
    if (text.size() > kSizeMax) return run_error(path + " is larger than 1 MiB");
  }
}

std::string file_version(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return std::to_string(status.st_ino) + "/" + std::to_string(status.st_size) + "/" +
         std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec);
}

}  // namespace penstock::kinesis
