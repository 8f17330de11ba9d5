// azure-iothub's feedback receiver: prints each batch and completes it.
'use strict';
const { Amqp, AmqpWs, Client } = require('azure-iothub');
const { print, errorOf } = require('./arguments');

async function main() {
  const client = Client.fromConnectionString(process.argv[2], process.argv[3] === 'ws' ? AmqpWs : Amqp);
  await client.open();
  const { result, ...other } = await client.getFeedbackReceiver();
  const receiver = result || other;
  receiver.on('error', (error) => print(errorOf(error)));
  receiver.on('message', async (message) => {
    print({
      records: JSON.parse(message.getData().toString()),
      contentType: message.contentType,
      userId: message.userId && Buffer.from(message.userId).toString(),
    });
    await receiver.complete(message);
  });
  print('open');
}

main().catch((error) => { print(errorOf(error)); process.exit(1); });
