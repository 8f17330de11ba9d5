#!/usr/bin/env python3
"""A device that sends telemetry.

Usage: send_telemetry.py [--count N] [--interval SECONDS] [--websockets] [CONNECTION_STRING]

The connection string may also come from the environment, as DEVICE_CONNECTION_STRING. --websockets goes
through port 443 where 8883 is blocked.
"""

import argparse
import itertools
import json
import os
import random
import time

from azure.iot.device import IoTHubDeviceClient, Message


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("connection_string", nargs="?", default=os.environ.get("DEVICE_CONNECTION_STRING"))
    parser.add_argument("--count", type=int, help="end after so many messages")
    parser.add_argument("--interval", type=float, default=1, help="seconds between two messages")
    parser.add_argument("--websockets", action="store_true", help="through port 443")
    given = parser.parse_args()
    if not given.connection_string:
        parser.error("give a device connection string, or set DEVICE_CONNECTION_STRING")
    return given


def measurement():
    temperature = 20 + random.random() * 15
    body = json.dumps({"temperature": round(temperature, 1), "humidity": round(60 + random.random() * 20, 1)})
    message = Message(body, content_encoding="utf-8", content_type="application/json")
    message.custom_properties["temperatureAlert"] = "true" if temperature > 30 else "false"
    return message


def main():
    given = arguments()
    client = IoTHubDeviceClient.create_from_connection_string(given.connection_string, websockets=given.websockets)
    try:
        for number in itertools.count(1):
            message = measurement()
            client.send_message(message)  # Returns when the hub has it on its disk.
            print(f"sent {number}: {message.data}", flush=True)
            if number == given.count:
                break
            time.sleep(given.interval)
    except KeyboardInterrupt:
        pass
    finally:
        client.shutdown()


if __name__ == "__main__":
    main()
