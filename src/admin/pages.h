// Pages: what the admin port answers: /healthz, /readyz, /metrics, /api/status, /api/history and /.
//
// Thread: the server's.
#pragma once

#include <string>
#include <string_view>

#include "admin/observer.h"
#include "admin/server.h"

namespace penstock::admin {

struct Page {
  unsigned status = 200;  // of HTTP
  std::string body = {};
  std::string content_type = "text/plain; charset=utf-8";
};

class Pages {
 public:
  Pages(ServerSources sources, std::string version)
      : sources_(sources), version_(std::move(version)) {}

  // Once a second: what history and the list of problems are made of.
  void observe();
  // path: without the query.
  [[nodiscard]] Page at(std::string_view path);
  // Health, which tells nothing about the logs: probes have no token.
  [[nodiscard]] static bool is_for_everybody(std::string_view path);

 private:
  [[nodiscard]] std::string metrics();
  [[nodiscard]] std::string status();

  const ServerSources sources_;
  const std::string version_;
  Observer observer_;
};

}  // namespace penstock::admin
