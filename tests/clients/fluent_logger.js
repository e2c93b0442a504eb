#!/usr/bin/env node
// A third-party Forward client (@fluent-org/logger) driven from stdin: the first line is its options, each further
// line {"tag", "time": [seconds, nanoseconds], "record": {…}}. It waits until the server has acknowledged each event
// and prints {"acked": n}; any event not acknowledged makes it exit 1.
"use strict";

const fs = require("fs");
const readline = require("readline");
const {FluentClient, EventTime} = require("@fluent-org/logger");

async function readInput() {
  const lines = [];
  for await (const line of readline.createInterface({input: process.stdin, crlfDelay: Infinity})) {
    if (line.length > 0) lines.push(JSON.parse(line));
  }
  return {options: lines[0], events: lines.slice(1)};
}

function clientOptions(options) {
  const socket = {host: "127.0.0.1", port: options.port, timeout: 30000, disableReconnect: true};
  if (options.ca) {
    socket.tls = {ca: fs.readFileSync(options.ca), servername: "localhost"};
    if (options.cert) {
      socket.tls.cert = fs.readFileSync(options.cert);
      socket.tls.key = fs.readFileSync(options.key);
    }
  }
  const result = {
    eventMode: options.mode,
    socket,
    ack: {ackTimeout: 30000},
    milliseconds: true,
    // Events of one turn of the loop go out together, so that a chunk holds many.
    flushInterval: options.mode === "Message" ? 0 : 20,
    disconnect: {waitForPending: true, waitForPendingDelay: 30000},
  };
  if (options.sharedKey) {
    result.security = {clientHostname: "fluent-logger.example", sharedKey: options.sharedKey};
    if (options.username) {
      result.security.username = options.username;
      result.security.password = options.password;
    }
  }
  return result;
}

async function main() {
  const {options, events} = await readInput();
  const client = new FluentClient(null, clientOptions(options));
  let socketError = null;
  client.socketOn("error", error => (socketError = error));
  await client.connect();
  const outcomes = await Promise.allSettled(
    events.map(event => client.emit(event.tag, event.record, new EventTime(event.time[0], event.time[1])))
  );
  const failed = outcomes.filter(outcome => outcome.status === "rejected");
  await client.disconnect().catch(() => {});
  process.stdout.write(JSON.stringify({acked: outcomes.length - failed.length, failed: failed.length}) + "\n");
  if (failed.length > 0) {
    process.stderr.write(`${failed.length} of ${events.length} not acknowledged: ${failed[0].reason}\n`);
    if (socketError) process.stderr.write(`socket: ${socketError}\n`);
    process.exit(1);
  }
  process.exit(0);
}

// A connection refused for good leaves the promises pending and nothing to wait for: node would end with 0.
process.on("beforeExit", () => {
  process.stderr.write("fluent_logger.js: the server ended the connection before every event was acknowledged\n");
  process.exit(1);
});

main().catch(error => {
  process.stderr.write(`fluent_logger.js: ${error}\n`);
  process.exit(1);
});
