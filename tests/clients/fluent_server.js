#!/usr/bin/env node
// A third-party Forward server (@fluent-org/logger's), so that our own test client is checked against something that
// is not ours. Options as JSON in the first argument; prints {"port": n}, then each entry it received as one line.
"use strict";

const fs = require("fs");
const {FluentServer} = require("@fluent-org/logger");

const options = JSON.parse(process.argv[2]);
const server = new FluentServer({
  listenOptions: {port: 0, host: "127.0.0.1"},
  security: options.sharedKey
    ? {
        serverHostname: "fluent-server.example",
        sharedKey: options.sharedKey,
        authorize: Boolean(options.users),
        userDict: options.users || {},
      }
    : undefined,
  tlsOptions: options.cert ? {cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key)} : undefined,
});
server.on("entry", (tag, time, record) => process.stdout.write(JSON.stringify({tag, time, record}) + "\n"));
server.listen().then(() => process.stdout.write(JSON.stringify({port: server.port}) + "\n"));
