#include "admin/pages.h"

#include "admin/status_json.h"
#include "admin/status_page.h"
#include "metrics/exposition.h"

namespace penstock::admin {
namespace {

Page page_of(const Health::Answer& health) {
  return {health.good ? 200u : 503u, health.text + "\n"};
}

}  // namespace

void Pages::observe() {
  const record::Ledger::Snapshot ledger = sources_.ledger.snapshot();
  const metrics::Status status = sources_.status.status();
  observer_.look({ledger, sources_.metrics, status, version_, sources_.clock.wall()},
                 sources_.health.healthz(), sources_.health.readyz(), sources_.clock.steady());
}

std::string Pages::metrics() {
  const record::Ledger::Snapshot ledger = sources_.ledger.snapshot();
  const metrics::Status status = sources_.status.status();
  return metrics::exposition({ledger, sources_.metrics, status, version_, sources_.clock.wall(),
                              sources_.health.readyz().good});
}

std::string Pages::status() {
  const record::Ledger::Snapshot ledger = sources_.ledger.snapshot();
  const metrics::Status status = sources_.status.status();
  return status_json({ledger, sources_.metrics, status, version_, sources_.clock.wall()}, observer_,
                     sources_.health.healthz(), sources_.health.readyz());
}

bool Pages::is_for_everybody(std::string_view path) {
  return path == "/healthz" || path == "/readyz";
}

Page Pages::at(std::string_view path) {
  if (path == "/healthz") return page_of(sources_.health.healthz());
  if (path == "/readyz") return page_of(sources_.health.readyz());
  if (path == "/metrics") return {200, metrics(), "text/plain; version=0.0.4; charset=utf-8"};
  if (path == "/api/status") return {200, status(), "application/json"};
  if (path == "/api/history") return {200, observer_.history().json(), "application/json"};
  if (path == "/") return {200, std::string(status_page()), "text/html; charset=utf-8"};
  return {404, "there are /healthz, /readyz, /metrics, /api/status, /api/history and /\n"};
}

}  // namespace penstock::admin
