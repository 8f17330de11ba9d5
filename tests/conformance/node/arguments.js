// What the programs of this folder share: their output is one JSON value per line.
'use strict';

exports.print = (value) => process.stdout.write(JSON.stringify(value) + '\n');

// Reads JSON values from standard input, one per line, and hands each to `handle`, one after the other.
exports.eachLine = async (handle) => {
  const lines = require('readline').createInterface({ input: process.stdin });
  for await (const line of lines) {
    await handle(JSON.parse(line));
  }
};

exports.errorOf = (error) => ({
  error: error.name,
  message: error.message,
  condition: error.amqpError && error.amqpError.condition,
  status: error.response && error.response.statusCode,
});
