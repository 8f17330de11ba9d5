#!/usr/bin/env python3
"""A back end: sends cloud-to-device messages and asks for feedback on each.

Usage: send_cloud_to_device.py --device-id ID [--count N] [CONNECTION_STRING]

The connection string, of a policy with the right ServiceConnect, may also come from the environment, as
SERVICE_CONNECTION_STRING. A message counts as sent when the hub has it on its disk.
"""

import argparse
import json
import os

from azure.iot.hub import IoTHubRegistryManager


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("connection_string", nargs="?", default=os.environ.get("SERVICE_CONNECTION_STRING"))
    parser.add_argument("--device-id", required=True)
    parser.add_argument("--count", type=int, default=2)
    given = parser.parse_args()
    if not given.connection_string:
        parser.error("give a service connection string, or set SERVICE_CONNECTION_STRING")
    return given


def send(hub, device_id, number):
    body = json.dumps({"wind": 10.0 + number})
    hub.send_c2d_message(
        device_id,
        body,
        properties={
            "messageId": f"message-{number}",
            "correlationId": f"correlation-{number}",
            "contentType": "application/json",
            "contentEncoding": "utf-8",
            "origin": f"back end, message {number}",
            "iothub-ack": "full",
        },
    )
    print(f"sent message-{number}: {body}", flush=True)


def main():
    given = arguments()
    hub = IoTHubRegistryManager.from_connection_string(given.connection_string)
    for number in range(1, given.count + 1):
        send(hub, given.device_id, number)


if __name__ == "__main__":
    main()
