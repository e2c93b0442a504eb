#!/usr/bin/env node
// A third-party OTLP sender (@opentelemetry's SDK and exporters) driven from stdin: one line
// {"url", "encoding": "json" or "protobuf", "gzip", "headers", "count"}. It logs `count` records and waits until the
// exporter has sent them, trying again as it does by itself; it prints {"exported": n} or exits 1.
"use strict";

const fs = require("fs");

const options = JSON.parse(fs.readFileSync(0, "utf8"));
const {OTLPLogExporter} = options.encoding === "json" ? require("@opentelemetry/exporter-logs-otlp-http")
  : require("@opentelemetry/exporter-logs-otlp-proto");
const {LoggerProvider, BatchLogRecordProcessor} = require("@opentelemetry/sdk-logs");
const {resourceFromAttributes} = require("@opentelemetry/resources");

async function main() {
  const exporter = new OTLPLogExporter({url: options.url, headers: options.headers || {},
    compression: options.gzip ? "gzip" : "none", timeoutMillis: 30000});
  let failed = null;
  const send = exporter.export.bind(exporter);
  exporter.export = (records, done) => send(records, (result) => {
    if (result.code !== 0) failed = result.error || new Error("export failed");
    done(result);
  });
  const batch = {maxExportBatchSize: 50, maxQueueSize: 100000, scheduledDelayMillis: 100, exportTimeoutMillis: 60000};
  const newest = BatchLogRecordProcessor.length < 2;
  const processor = newest ? new BatchLogRecordProcessor({exporter, ...batch})
    : new BatchLogRecordProcessor(exporter, batch);
  const provider = new LoggerProvider({processors: [processor],
    resource: resourceFromAttributes({"service.name": "checkout", "openshift.log.type": "infrastructure"})});
  const logger = provider.getLogger("penstock.tests", "1.0");
  for (let n = 0; n < options.count; ++n) {
    logger.emit({severityNumber: 9, severityText: "INFO", body: {n, text: "grüß 👋", list: [1, 2.5, true, null]},
      attributes: {"request.id": `r-${n}`, big: 1e15, flag: true}});
  }
  await provider.forceFlush();
  await provider.shutdown();
  if (failed) throw failed;
  console.log(JSON.stringify({exported: options.count}));
}

main().catch((error) => {
  console.error(String(error && error.message || error));
  process.exit(1);
});
