// azure-iothub's client: each line of input is {device, body, ...fields of a message}; each line of output the outcome.
'use strict';
const { Amqp, AmqpWs, Client } = require('azure-iothub');
const { Message } = require('azure-iot-common');
const { print, eachLine, errorOf } = require('./arguments');

function messageOf({ device, body, properties, ...fields }) {
  const message = new Message(body === undefined ? undefined : Buffer.from(body));
  for (const [name, value] of Object.entries(properties || {})) message.properties.add(name, value);
  return Object.assign(message, fields);
}

async function main() {
  const client = Client.fromConnectionString(process.argv[2], process.argv[3] === 'ws' ? AmqpWs : Amqp);
  await client.open();
  print('open');
  await eachLine(async (line) => {
    try {
      await client.send(line.device, messageOf(line));
      print('sent');
    } catch (error) {
      print(errorOf(error));
    }
  });
  await client.close();
}

main().catch((error) => { print(errorOf(error)); process.exit(1); });
