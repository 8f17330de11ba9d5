// azure-iot-device over MQTT, by WebSocket with the argument 'ws': prints each message and completes it. (Over MQTT the SDK acknowledges a message when
// it comes; its complete() only calls back.)
'use strict';
const { Client } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { print, errorOf } = require('./arguments');

function show(message) {
  const { messageId, correlationId, contentType, contentEncoding, userId, ack, to, expiryTimeUtc } = message;
  const properties = Object.fromEntries(message.properties.propertyList.map(({ key, value }) => [key, value]));
  const body = message.getData().toString();
  print({ body, messageId, correlationId, contentType, contentEncoding, userId, ack, to, expiryTimeUtc, properties });
}

async function main() {
  const client = Client.fromConnectionString(process.argv[2], process.argv[3] === 'ws' ? MqttWs : Mqtt);
  client.on('error', (error) => print(errorOf(error)));
  client.on('message', async (message) => {
    show(message);
    await client.complete(message);
    print('completed');
  });
  await client.open();
  print('open');
}

main().catch((error) => { print(errorOf(error)); process.exit(1); });
