#include "net/http_exchange.h"

namespace penstock::net {

std::string_view name_of(HttpFailure failure) {
  switch (failure) {
    case HttpFailure::none:
      return "none";
    case HttpFailure::resolve:
      return "resolve";
    case HttpFailure::connect:
      return "connect";
    case HttpFailure::tls:
      return "tls";
    case HttpFailure::proxy:
      return "proxy";
    case HttpFailure::timeout:
      return "timeout";
    case HttpFailure::reset:
      return "reset";
    case HttpFailure::response_too_large:
      return "response_too_large";
    case HttpFailure::bad_response:
      return "bad_response";
    case HttpFailure::canceled:
      return "canceled";
    case HttpFailure::internal:
      return "internal";
  }
  return "internal";
}

}  // namespace penstock::net
