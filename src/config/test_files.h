// A directory for one test, with files that look like what the configuration names.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "net/test_certificate.h"

namespace penstock::config {

class TestFiles {
 public:
  TestFiles() {
    std::string pattern = testing::TempDir() + "penstock-config-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~TestFiles() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  TestFiles(const TestFiles&) = delete;
  TestFiles& operator=(const TestFiles&) = delete;

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << content;
    return path(name);
  }
  std::string certificate() const { return write("tls.crt", pair().certificate); }
  std::string private_key() const { return write("tls.key", pair().key); }

 private:
  static const net::TestCertificate& pair() {
    static const net::TestCertificate made = net::make_test_certificate();
    return made;
  }
  std::string directory_;
};

}  // namespace penstock::config
