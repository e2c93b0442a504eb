// HttpAnswer: what an HTTP source says, and its bytes. Pure; thread: any.
#pragma once

#include <string>
#include <string_view>

namespace penstock::ingest {

struct HttpAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  bool close = false;       // the connection ends behind it
  bool no_content = false;  // answers a HEAD: the body is only counted
};

[[nodiscard]] std::string encode(const HttpAnswer& answer);

}  // namespace penstock::ingest
