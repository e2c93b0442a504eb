#include "daemon/preflight.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "daemon/translate.h"
#include "kinesis/credentials/profile_files.h"
#include "net/listen_socket.h"

namespace penstock::daemon {
namespace {

using config::Problem;
using config::Severity;

class Problems {
 public:
  explicit Problems(const config::Config& config) : file_(config.file) {}

  void add(Severity severity, std::string key, std::string message, std::string cure) {
    Problem problem;
    problem.file = file_;
    problem.key = std::move(key);
    problem.message = std::move(message);
    problem.cure = std::move(cure);
    problem.severity = severity;
    found_.push_back(std::move(problem));
  }
  [[nodiscard]] std::vector<Problem> take() { return std::move(found_); }

 private:
  const std::string file_;
  std::vector<Problem> found_;
};

kinesis::Environment variables_of(const config::Environment& environment) {
  return [&environment](const char* name) { return environment.text(name); };
}

void check_endpoints(const config::Config& config, Problems& problems) {
  for (const config::StreamOptions& stream : config.streams) {
    for (const auto operation : {kinesis::Operation::data, kinesis::Operation::control}) {
      const auto endpoint =
          kinesis::resolve_endpoint(make_endpoint_options(stream, config.aws), operation);
      if (endpoint) continue;
      problems.add(Severity::error, "streams." + stream.key, endpoint.error().message, "");
      break;
    }
  }
}

// Profiles that the configuration names must be there; each once.
void check_profiles(const config::Config& config, const config::Environment& environment,
                    Problems& problems) {
  std::vector<std::pair<std::string, std::string>> named;  // key and profile
  if (!config.aws.profile.empty()) named.emplace_back("aws.profile", config.aws.profile);
  for (const config::StreamOptions& stream : config.streams) {
    if (!stream.aws || !stream.aws->profile) continue;
    named.emplace_back("streams." + stream.key + ".aws.profile", *stream.aws->profile);
  }
  if (named.empty()) return;
  const kinesis::Environment variables = variables_of(environment);
  const auto files = kinesis::ProfileFiles::load(variables);
  if (!files) {
    problems.add(Severity::error, named.front().first, files.error().message, "");
    return;
  }
  for (const auto& [key, profile] : named) {
    if (files->find(profile) != nullptr) continue;
    problems.add(Severity::error, key,
                 "profile '" + profile + "' is in neither " +
                     kinesis::ProfileFiles::config_path(variables) + " nor " +
                     kinesis::ProfileFiles::credentials_path(variables),
                 "write it there, or name another");
  }
}

void check_addresses(const config::Config& config, Problems& problems) {
  const auto check = [&](const std::string& key, const net::ListenAddress& address) {
    if (const auto checked = net::check_listen_address(address); !checked) {
      problems.add(Severity::error, key, checked.error().message,
                   "listen on an address of this machine, or on every one: '*:" +
                       std::to_string(address.port) + "'");
    }
  };
  config::for_each_source(config, [&](const config::SourceOptions& source) {
    check("source " + source.name + ", listen", source.listen);
  });
  check("admin.listen", config.admin_listen);
  if (config.admin_secure) check("admin.secure.listen", config.admin_secure->listen);
}

void check_directories(const config::Config& config, Problems& problems) {
  const std::string& spool = config.spool.directory;
  const std::string& dead_letters = config.dead_letters.directory;
  const auto check = [&](const char* key, const std::string& path) {
    const std::string complaint = directory_complaint(path);
    if (complaint.empty()) return;
    problems.add(Severity::error, key, complaint,
                 "use a directory that this user may write, in one that exists");
  };
  if (!spool.empty()) check("spool.directory", spool);
  // One inside the spool is made once that is there.
  const bool is_inside = !spool.empty() && dead_letters.starts_with(spool);
  if (!dead_letters.empty() && !is_inside) check("dead_letters.directory", dead_letters);
}

// Files that the chain will ask when nothing before them in it is configured.
void check_shared_files(const config::Config& config, const config::Environment& environment,
                        Problems& problems) {
  for (const char* earlier :
       {"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}) {
    if (!environment.text(earlier).empty()) return;
  }
  if (!config.aws.profile.empty()) return;  // looked at with the settings
  const auto files = kinesis::ProfileFiles::load(variables_of(environment));
  if (!files) problems.add(Severity::error, "aws", files.error().message, "");
}

}  // namespace

std::string directory_complaint(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode)) return path + " is not a directory";
    if (::access(path.c_str(), R_OK | W_OK | X_OK) == 0) return "";
    return path + " cannot be written: " + std::strerror(errno);
  }
  if (errno != ENOENT) return path + " cannot be used: " + std::strerror(errno);
  std::string clean = path;
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  std::string parent = std::filesystem::path(clean).parent_path();
  if (parent.empty()) parent = ".";
  if (::stat(parent.c_str(), &status) != 0) {
    return path + " cannot be made: " + parent + ": " + std::strerror(errno);
  }
  if (!S_ISDIR(status.st_mode)) {
    return path + " cannot be made: " + parent + " is not a directory";
  }
  if (::access(parent.c_str(), W_OK | X_OK) == 0) return "";
  return path + " cannot be made in " + parent + ": " + std::strerror(errno);
}

std::vector<Problem> check_settings(const config::Config& config,
                                    const config::Environment& environment) {
  Problems problems(config);
  if (const auto router = make_router(config); !router) {
    problems.add(Severity::error, "routes", router.error().message, "");
  }
  check_endpoints(config, problems);
  check_profiles(config, environment, problems);
  return problems.take();
}

std::vector<Problem> check_surroundings(const config::Config& config,
                                        const config::Environment& environment) {
  Problems problems(config);
  check_addresses(config, problems);
  check_directories(config, problems);
  check_shared_files(config, environment, problems);
  return problems.take();
}

}  // namespace penstock::daemon
