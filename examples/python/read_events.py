#!/usr/bin/env python3
"""A back end: prints every event that devices have sent, and those that they send from now on.

Usage: read_events.py [--count N] [--group NAME] [--websockets] [CONNECTION_STRING]

The connection string is the one for Event Hubs clients (`linarite hub connection-string show --eh`); it may
also come from the environment, as EVENT_HUB_CONNECTION_STRING. The SDK takes the hub's authority not from the
environment but as an option, which is here what SSL_CERT_FILE names (`linarite run` sets it).
"""

import argparse
import os
import threading

from azure.eventhub import EventHubConsumerClient, TransportType


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("connection_string", nargs="?", default=os.environ.get("EVENT_HUB_CONNECTION_STRING"))
    parser.add_argument("--count", type=int, help="end after so many events")
    parser.add_argument("--group", default="$Default", help="consumer group")
    parser.add_argument("--websockets", action="store_true", help="through port 443")
    given = parser.parse_args()
    if not given.connection_string:
        parser.error("give the connection string for Event Hubs clients, or set EVENT_HUB_CONNECTION_STRING")
    return given


def show(partition, event):
    device = event.system_properties[b"iothub-connection-device-id"].decode()
    print(f"{device}, partition {partition}, number {event.sequence_number}: {event.body_as_str()}")
    for name, value in sorted(event.properties.items()):
        print(f"  property {name.decode()}: {value.decode()}", flush=True)


def main():
    given = arguments()
    client = EventHubConsumerClient.from_connection_string(
        given.connection_string,
        given.group,
        connection_verify=os.environ.get("SSL_CERT_FILE"),
        transport_type=TransportType.AmqpOverWebsocket if given.websockets else TransportType.Amqp,
    )
    seen = 0
    enough = threading.Event()

    def on_events(context, events):
        nonlocal seen
        for event in events:
            show(context.partition_id, event)
            seen += 1
            if seen == given.count:
                enough.set()

    receive = {"on_event_batch": on_events, "starting_position": "-1", "max_wait_time": 0.2}
    thread = threading.Thread(target=client.receive_batch, kwargs=receive, daemon=True)
    thread.start()
    try:
        enough.wait()
    except KeyboardInterrupt:
        pass
    client.close()
    thread.join()


if __name__ == "__main__":
    main()
