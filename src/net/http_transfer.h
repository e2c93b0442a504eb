// HttpTransfer: one exchange on one libcurl easy handle: sets the options, gathers the answer,
// and says afterwards what happened. HttpLoop keeps a few and uses them again.
//
// Thread: the loop's.
#pragma once

#include <curl/curl.h>

#include <string>

#include "net/http_exchange.h"

namespace penstock::net {

struct HttpOptions {
  // Exchanges at a time; further ones wait their turn. Also the number of connections kept.
  size_t connections_max = 64;
  // A connection idle for longer is not used again: below the time after which services close
  // theirs, so that the two do not cross.
  seconds idle_connection_max{50};
  std::string ca_bundle = {};  // PEM file; "" is the system's store
  bool verify_server = true;   // false: any certificate will do; for trying things out
  std::string user_agent = "penstock";
  size_t upload_buffer_bytes = 256u << 10;
};

// Once a process, before any handle; further calls do nothing.
void initialise_libcurl();

class HttpTransfer {
 public:
  explicit HttpTransfer(const HttpOptions& options);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // proxy: its URL; "": none.
  void begin(HttpRequest request, const std::string& proxy);
  // What happened; the handle is ready for the next begin().
  [[nodiscard]] HttpResponse end(CURLcode code);

  // To be asked every first_byte / kStallTicks. True when so many times in a row the request had
  // not moved and no answer had begun.
  static constexpr int kStallTicks = 4;
  [[nodiscard]] bool stalled();
  [[nodiscard]] const HttpTimeouts& timeouts() const { return request_.timeouts; }
  [[nodiscard]] CURL* easy() const { return easy_; }

 private:
  static size_t on_header(char* bytes, size_t size, size_t count, void* self);
  static size_t on_body(char* bytes, size_t size, size_t count, void* self);
  static int before_request(void* self, char*, char*, int, int);
  void take_header(std::string_view line);
  [[nodiscard]] HttpFailure classify(CURLcode code) const;
  [[nodiscard]] std::string failure_text(CURLcode code) const;
  [[nodiscard]] RequestWritten written() const;

  CURL* const easy_;
  curl_slist* header_list_ = nullptr;
  HttpRequest request_;
  HttpResponse response_;
  int times_sent_ = 0;
  bool answer_begun_ = false;
  curl_off_t uploaded_ = -1;  // at the last stalled()
  int still_ticks_ = 0;
  char error_text_[CURL_ERROR_SIZE] = {};
};

}  // namespace penstock::net
