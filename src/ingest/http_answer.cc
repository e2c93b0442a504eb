#include "ingest/http_answer.h"

#include <ctime>

namespace penstock::ingest {
namespace {

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 431:
      return "Request Header Fields Too Large";
    default:
      return "Service Unavailable";
  }
}

std::string date_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  const size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, size};
}

}  // namespace

std::string encode(const HttpAnswer& answer) {
  std::string out = "HTTP/1.1 " + std::to_string(answer.status) + " ";
  out += reason_phrase(answer.status);
  out += "\r\nDate: " + date_now();
  out += "\r\nContent-Type: " + answer.content_type;
  out += "\r\nContent-Length: " + std::to_string(answer.body.size());
  if (answer.status == 401) out += "\r\nWWW-Authenticate: Bearer, Basic realm=\"penstock\"";
  if (answer.status == 405) out += "\r\nAllow: POST, PUT";
  if (answer.status == 503) out += "\r\nRetry-After: 1";
  if (answer.close) out += "\r\nConnection: close";
  out += "\r\n\r\n";
  if (!answer.no_content) out += answer.body;
  return out;
}

}  // namespace penstock::ingest
