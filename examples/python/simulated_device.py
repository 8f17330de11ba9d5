#!/usr/bin/env python3
"""A simulated device: prints every cloud-to-device message that it receives.

Usage: simulated_device.py [--count N] [CONNECTION_STRING]

The connection string may also come from the environment, as DEVICE_CONNECTION_STRING. Ends after N
messages, or on Ctrl-C.
"""

import argparse
import os
import queue
import sys

from azure.iot.device import IoTHubDeviceClient

SYSTEM_PROPERTIES = ("message_id", "correlation_id", "content_type", "content_encoding", "user_id", "expiry_time_utc")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("connection_string", nargs="?", default=os.environ.get("DEVICE_CONNECTION_STRING"))
    parser.add_argument("--count", type=int, help="end after so many messages")
    given = parser.parse_args()
    if not given.connection_string:
        parser.error("give a device connection string, or set DEVICE_CONNECTION_STRING")
    return given


def show(message, number):
    print(f"\nmessage {number}")
    print(f"  body: {message.data.decode('utf-8', 'backslashreplace')}")
    for name in SYSTEM_PROPERTIES:
        value = getattr(message, name)
        if value is not None:
            print(f"  {name}: {value}")
    for name, value in sorted(message.custom_properties.items()):
        print(f"  property {name}: {value}")
    sys.stdout.flush()


def main():
    given = arguments()
    received = queue.Queue()
    client = IoTHubDeviceClient.create_from_connection_string(given.connection_string)
    # The SDK acknowledges a message when it hands it over; the queue brings it to this thread.
    client.on_message_received = received.put
    client.connect()
    print("connected, waiting for messages", flush=True)
    number = 0
    try:
        while given.count is None or number < given.count:
            message = received.get()
            number += 1
            show(message, number)
    except KeyboardInterrupt:
        pass
    print(f"\n{number} received")
    client.shutdown()


if __name__ == "__main__":
    main()
