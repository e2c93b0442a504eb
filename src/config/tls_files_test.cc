#include "config/tls_files.h"

#include <gmock/gmock.h>

#include "config/loader.h"
#include "config/test_files.h"
#include "net/test_certificate.h"

namespace penstock::config {
namespace {

using net::make_test_certificate;
using net::TestCertificate;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TlsFiles : public testing::Test {
 protected:
  // What is told of a source with these files.
  std::string told(const std::string& certificate, const std::string& key,
                   const std::string& client_ca = {}) {
    std::string tls =
        "{cert: " + files_.write("c.pem", certificate) + ", key: " + files_.write("k.pem", key);
    if (!client_ca.empty()) tls += ", client_ca: " + files_.write("ca.pem", client_ca);
    return told_of("sources: [{forward: {tls: " + tls + "}}}]\n");
  }
  std::string told_of_key(const std::string& shared_key) {
    return told_of("sources: [{forward: {shared_key_file: " + files_.write("s", shared_key) +
                   "}}]\n");
  }
  std::string told_of_token(const std::string& token) {
    return told_of("sources: [{http: {auth: {bearer_token_files: [" + files_.write("t", token) +
                   "]}}}]\n");
  }
  std::string told_of(const std::string& sources) {
    const LoadResult result = load_text(sources +
                                            "streams: {a: {name: s, region: us-east-1}}\n"
                                            "dead_letters: {directory: /tmp/unused}\n",
                                        "t.yaml", Environment());
    std::string all;
    for (const Problem& problem : result ? result->warnings : result.error()) {
      const std::string text = to_string(problem);
      if (text.find("plain text") != std::string::npos && result) continue;  // auth without tls
      all += (problem.severity == Severity::error ? "E " : "W ") + text + "\n";
    }
    return all;
  }
  TestFiles files_;
};

std::string utf16(const std::string& text) {
  std::string wide = "\xff\xfe";
  for (const char c : text) {
    wide += c;
    wide += '\0';
  }
  return wide;
}

TEST_F(TlsFiles, AGoodPairAndChainRaiseNothing) {
  const TestCertificate authority = make_test_certificate({.is_authority = true});
  const TestCertificate server = make_test_certificate({.issuer = &authority});
  EXPECT_EQ(told(server.certificate, server.key), "");
  EXPECT_EQ(told(server.certificate + authority.certificate, server.key, authority.certificate),
            "");
  // As OpenSSL takes them: line ends of Windows, blanks behind lines, text around.
  std::string windows;
  for (const char c : "notes\n" + server.certificate)
    windows += c == '\n' ? "  \r\n" : std::string(1, c);
  EXPECT_EQ(told(windows, server.key), "");
}

TEST_F(TlsFiles, EachMistakeHasItsOwnWordAndCure) {
  const TestCertificate authority = make_test_certificate({.is_authority = true});
  const TestCertificate server = make_test_certificate({.issuer = &authority});
  const TestCertificate other = make_test_certificate();
  EXPECT_THAT(told(authority.certificate + server.certificate, server.key),
              AllOf(HasSubstr("E t.yaml:1: sources[0].forward.tls.cert: "),
                    HasSubstr("the certificate of the key is number 2"),
                    HasSubstr("write the server's certificate first")));
  EXPECT_THAT(told(server.certificate, other.key),
              AllOf(HasSubstr("E t.yaml:1: sources[0].forward.tls.key: "),
                    HasSubstr("does not belong to")));
  EXPECT_THAT(told("\xef\xbb\xbf" + server.certificate, server.key),
              AllOf(HasSubstr("tls.cert: "), HasSubstr("byte order mark")));
  EXPECT_THAT(told(server.certificate, "\xef\xbb\xbf" + server.key),
              AllOf(HasSubstr("tls.key: "), HasSubstr("byte order mark")));
  EXPECT_THAT(told(utf16(server.certificate), server.key), HasSubstr("is UTF-16"));
  EXPECT_THAT(told(server.certificate, utf16(server.key)), HasSubstr("is UTF-16"));
  EXPECT_THAT(told(server.key, server.key), HasSubstr("holds no PEM certificate"));
  EXPECT_THAT(told(server.certificate, server.certificate), HasSubstr("holds no PEM private key"));
  EXPECT_THAT(told(server.certificate, server.key.substr(0, server.key.size() / 2)),
              HasSubstr("private key in it cannot be parsed"));
  EXPECT_THAT(
      told(server.certificate + authority.certificate.substr(0, authority.certificate.size() / 2),
           server.key),
      HasSubstr("certificate 2 in it cannot be parsed"));
  EXPECT_THAT(told(server.certificate, server.key, "nothing"),
              AllOf(HasSubstr("tls.client_ca: "), HasSubstr("holds no PEM certificate")));
}

TEST_F(TlsFiles, WeakKeysAreErrors) {
  const TestCertificate weak = make_test_certificate({.rsa_bits = 1024});
  EXPECT_THAT(
      told(weak.certificate, weak.key),
      AllOf(HasSubstr("E t.yaml:1: "), HasSubstr("weak key (RSA 1024 bits)"), HasSubstr("2048")));
}

TEST_F(TlsFiles, WhatWorksAnywayIsAWarning) {
  const auto expect = [this](const TestCertificate& made, const char* what) {
    EXPECT_THAT(told(made.certificate, made.key),
                AllOf(HasSubstr("W t.yaml:1: sources[0].forward.tls.cert: "), HasSubstr(what),
                      Not(HasSubstr("E t.yaml"))));
  };
  expect(make_test_certificate({.alternative_names = ""}), "no subjectAltName");
  expect(make_test_certificate({.valid_from = -7200, .valid_until = -3600}), "has expired");
  expect(make_test_certificate({.valid_until = 86'400}), "expires soon");
  expect(make_test_certificate({.valid_from = 86'400}), "not valid yet");
  const TestCertificate server = make_test_certificate();
  EXPECT_THAT(told(server.certificate, server.key, server.certificate),
              AllOf(HasSubstr("W t.yaml:1: sources[0].forward.tls.client_ca: "),
                    HasSubstr("no authority's")));
  const TestCertificate stranger =
      make_test_certificate({.common_name = "stranger", .is_authority = true});
  EXPECT_THAT(told(server.certificate + stranger.certificate, server.key),
              HasSubstr("certificate 2 did not issue certificate 1"));
}

TEST_F(TlsFiles, SecretsThatCameThroughAnEditorSaySo) {
  EXPECT_EQ(told_of_key("s3cret\n"), "");
  EXPECT_EQ(told_of_key("s3cret\r\n"), "");
  EXPECT_EQ(told_of_key("s3cret\r"), "");
  EXPECT_EQ(told_of_key("two words\n"), "");
  EXPECT_THAT(
      told_of_key("s3cret \n"),
      AllOf(HasSubstr("W "), HasSubstr("begins or ends with blanks"), Not(HasSubstr("s3c"))));
  EXPECT_THAT(told_of_key("\xef\xbb\xbfs3cret\n"),
              AllOf(HasSubstr("W "), HasSubstr("byte order mark, which is left out")));
  EXPECT_THAT(told_of_key(utf16("s3cret\n")), AllOf(HasSubstr("E "), HasSubstr("is UTF-16")));
  EXPECT_THAT(told_of_key("\xef\xbb\xbf\n"), AllOf(HasSubstr("E "), HasSubstr("is empty")));
  EXPECT_EQ(told_of_token("tok\n"), "");
  EXPECT_THAT(told_of_token("tok \n"), AllOf(HasSubstr("E "), HasSubstr("has blanks in it")));
}

}  // namespace
}  // namespace penstock::config
