// @azure/event-hubs reads: prints the partitions, then each event, until it is killed.
'use strict';
const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');
const { print, errorOf } = require('./arguments');

async function main() {
  const webSocketOptions = process.argv[3] === 'ws' ? { webSocket: require('ws') } : undefined;
  const client = new EventHubConsumerClient('$Default', process.argv[2], { webSocketOptions });
  print(await client.getPartitionIds());
  client.subscribe({
    processEvents: async (events, context) => {
      for (const event of events) {
        print({
          partition: context.partitionId,
          body: Buffer.isBuffer(event.body) ? event.body.toString() : event.body,
          properties: event.properties,
          device: event.systemProperties['iothub-connection-device-id'],
          sequenceNumber: event.sequenceNumber,
          offset: event.offset,
        });
      }
    },
    processError: async (error) => print(errorOf(error)),
  }, { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1 });
}

main().catch((error) => { print(errorOf(error)); process.exit(1); });
