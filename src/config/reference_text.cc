#include "config/reference_text.h"

namespace penstock::config {

const std::string_view kReferenceIntroduction =
    R"(# Configuration reference

Generated from `src/config/schema.cc`; a test verifies it.

`penstock check FILE` reports every problem of a file with its line, key and fix, and resolves the
values that `penstock run` will use. `deploy/penstock.yaml` is an example.

* Unknown keys are errors. YAML anchors, aliases and merge keys (`<<: *name`) are supported.
* `${NAME}` and `${NAME:-default}` in values are replaced from the environment. The default applies
  if `NAME` is unset or empty, and may itself contain variables: `${A:-${B:-/tmp}}`. `$${` is a
  literal `${`. Error messages show `${NAME}`, never the value.
* White space around a value is removed, because values from a Secret often end in a line break.
* Sizes are `64MiB`, `8m` or `1g` (1024-based). Durations are `5s`, `500ms`, `10m` or `1h`; plain
  numbers are seconds.
* Addresses to listen on are `host:port`. An empty host, `*` and `[::]` are every address, IPv4 and
  IPv6; `0.0.0.0` is every IPv4 address.
* A key that ends in `_file` or `_files` names files whose first line is the value. A byte order
  mark and the end of the line are not part of it. penstock watches such files and certificates and
  applies changes without a restart.
* Shared AWS files (`~/.aws/config`, `~/.aws/credentials`) are read as the AWS CLI reads them. HTTP
  proxies are taken from `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; the last may contain names,
  `*.domain`, addresses, CIDR ranges, and ports.
)";

const std::string_view kReferenceOfTheEnvironment = R"(
## Without a file

If `penstock run` has no `--config` and `/etc/penstock/penstock.yaml` does not exist, the
environment alone configures it. It accepts Forward on port 24224 and serves the admin port 9880.

| variable | meaning |
| --- | --- |
| `LOGGINGNAMES` | Kinds of log, separated by spaces: `projects operations audit`. |
| `KINESIS_STREAM_NAME` | Their streams, in the same order. |
| `KINESIS_REGION` | Their region. Default: `AWS_REGION`. |
| `FORWARD_FLUSH_INTERVAL` | `flush.interval`. |
| `BUFFER_SIZE_LIMIT` | `flush.size`; values above 10 MiB count as 10 MiB. |
| `SHARED_KEY_FILE` | `shared_key_file`. |
| `TLS_CERT_FILE`, `TLS_KEY_FILE` | `tls.cert`, `tls.key`. |
| `SPOOL_DIRECTORY` | `spool.directory`. |
| `AWS_KEY_ID`, `AWS_SEC_KEY` | The predecessor's names for the AWS keys; only without a file. |
| `AWS_ENDPOINT_URL_KINESIS` | The streams' `endpoint`. |

Kinds of log that are not listed are dropped with reason `not_selected`. One stream without
`LOGGINGNAMES` receives everything. `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` take precedence
over the predecessor's names.

The usual AWS variables apply with and without a file: `AWS_REGION`, `AWS_PROFILE`,
`AWS_CA_BUNDLE`, `AWS_ENDPOINT_URL`, and the others of the AWS SDKs.
)";

}  // namespace penstock::config
