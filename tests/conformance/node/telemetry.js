// azure-iot-device over MQTT: sends three events, each after the one before was acknowledged.
'use strict';
const { Client, Message } = require('azure-iot-device');
const { Mqtt, MqttWs } = require('azure-iot-device-mqtt');
const { print, errorOf } = require('./arguments');

async function main() {
  const client = Client.fromConnectionString(process.argv[2], process.argv[3] === 'ws' ? MqttWs : Mqtt);
  await client.open();
  print('open');
  for (let i = 0; i < 3; ++i) {
    const message = new Message(JSON.stringify({ i }));
    message.messageId = `m ${i}`;
    message.properties.add('number', String(i));
    await client.sendEvent(message);
    print(`sent ${i}`);
  }
}

main().catch((error) => { print(errorOf(error)); process.exit(1); });
