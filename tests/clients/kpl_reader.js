#!/usr/bin/env node
// A third-party reader of KPL aggregates (aws-kinesis-agg): one line {"data": base64, "key", "sequence"} a record on
// stdin, its user records on stdout, one JSON array of {"key", "hashKey", "data": base64} a record. Checksums are
// computed; a record that is no whole aggregate ends it with exit code 1.
"use strict";

const fs = require("fs");
const {deaggregateSync} = require("aws-kinesis-agg");

for (const line of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const record = JSON.parse(line);
  deaggregateSync({data: record.data, partitionKey: record.key, sequenceNumber: record.sequence}, true,
    (error, users) => {
      if (error) {
        console.error(`record ${record.sequence}: ${error}`);
        process.exit(1);
      }
      fs.writeSync(1, JSON.stringify(users.map((user) => (
        {key: user.partitionKey, hashKey: user.explicitPartitionKey, data: user.data}))) + "\n");
    });
}
