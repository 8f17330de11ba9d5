"""The programs around the hub while its power is cut: back ends, devices, an operator, a feedback reader.

Each is a thread that works until it is stopped or its connection breaks, and notes in the Oracle what the
hub has promised it. After a cut the oracle is told which notes came too late to count.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

import paho.mqtt.client as mqtt

HOST = "127.0.0.1"
API = "api-version=2021-04-12"
ANSWER_SECONDS = 5


def sas_token(resource, key, policy=None):
    encoded = urllib.parse.quote(resource, safe="")
    expiry = int(time.time()) + 3600
    digest = hmac.new(base64.b64decode(key), f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(digest), safe="")
    token = f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}"
    return f"{token}&skn={policy}" if policy else token


class Rest:
    """One keep-alive connection to the REST API. Any failure of the connection is an OSError."""

    def __init__(self, place):
        self.token = sas_token(HOST, place.owner_key, "iothubowner")
        self.connection = http.client.HTTPSConnection(
            HOST, place.https_port, timeout=ANSWER_SECONDS, context=place.tls
        )

    def call(self, method, path, body=None, headers=None):
        headers = {"Authorization": self.token, **(headers or {})}
        if isinstance(body, dict):
            body = json.dumps(body)
            headers["Content-Type"] = "application/json; charset=utf-8"
        try:
            self.connection.request(method, f"{path}?{API}", body=body, headers=headers)
            response = self.connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error

    def close(self):
        self.connection.close()


class Worker(threading.Thread):
    """Runs step() until it is told to stop or the hub is gone, and then closes its connection."""

    def __init__(self, place, oracle):
        super().__init__(daemon=True)
        self.place = place
        self.oracle = oracle
        self.rest = None
        self.ended = threading.Event()

    def run(self):
        try:
            self.open()
            while not self.ended.is_set():
                self.step()
        except OSError:
            pass  # The power is gone; what was promised until now is in the oracle.
        finally:
            self.close()

    def open(self):
        self.rest = Rest(self.place)

    def close(self):
        if self.rest:
            self.rest.close()

    def stop(self):
        self.ended.set()


class RestSender(Worker):
    """Sends to one device, one message after the other, and notes each that was accepted."""

    def __init__(self, place, oracle, device):
        super().__init__(place, oracle)
        self.device = device

    def step(self):
        message = self.oracle.next_message(self.device)
        headers = {"iothub-messageid": message, "iothub-ack": "full"}
        path = f"/devices/{self.device}/messages/deviceBound"
        status, _, body = self.rest.call("POST", path, body=f"body of {message}", headers=headers)
        if status == 204:
            self.oracle.note("sent", message)
        elif status != 403:  # The queue is full: the device has to catch up.
            self.oracle.note_refusal(status, body)
            raise OSError(f"refused with {status}")
        else:
            time.sleep(0.01)


class AmqpSender(Worker):
    """The same over AMQP, with the official service SDK: in a process of its own, because the SDK goes on
    trying after the hub is gone, and can only be ended from outside."""

    def __init__(self, place, oracle, device):
        super().__init__(place, oracle)
        self.device = device
        self.process = None

    def open(self):
        command = [sys.executable, __file__, self.place.owner_connection_string, self.device]
        environment = {**os.environ, "SSL_CERT_FILE": self.place.ca_file}
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )

    def step(self):
        message = self.oracle.next_message(self.device)
        self.process.stdin.write(message + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer == "sent":
            self.oracle.note("sent", message)
        elif answer != "full":
            raise OSError("the hub is gone")
        else:
            time.sleep(0.01)

    def stop(self):
        super().stop()
        if self.process:
            self.process.kill()

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()


def amqp_sender(connection_string, device):
    """Sends one message for each line of its input and says what became of it."""
    from azure.iot.hub import IoTHubRegistryManager

    registry = IoTHubRegistryManager.from_connection_string(connection_string)
    for line in sys.stdin:
        message = line.strip()
        properties = {"messageId": message, "iothub-ack": "full"}
        try:
            registry.send_c2d_message(device, f"body of {message}", properties=properties)
            answer = "sent"
        except Exception as error:  # The SDK raises one plain exception for every failed send.
            answer = "full" if "queue limit" in str(error) else "failed"
        print(answer, flush=True)


class Device(Worker):
    """An MQTT device: notes what it receives before it acknowledges it."""

    def __init__(self, place, oracle, name, key):
        super().__init__(place, oracle)
        self.name_ = name
        self.key = key
        self.client = None

    def open(self):
        client = mqtt.Client(client_id=self.name_, clean_session=False)
        client.username_pw_set(
            f"{HOST}/{self.name_}/?api-version=2021-04-12", sas_token(f"{HOST}/devices/{self.name_}", self.key)
        )
        client.tls_set_context(self.place.tls)
        client.on_connect = lambda c, *_: c.subscribe(f"devices/{self.name_}/messages/devicebound/#", 1)
        client.on_message = self.received
        self.client = client
        client.connect(HOST, self.place.mqtt_port, keepalive=30)

    def received(self, _client, _data, message):
        bag = dict(item.split("=", 1) for item in message.topic.rsplit("/", 1)[1].split("&"))
        name = urllib.parse.unquote(bag["%24.mid"])
        if message.payload.decode() != f"body of {name}":
            self.oracle.violation(f"{self.name_} received {name} with another body: {message.payload!r}")
        self.oracle.note_received(self.name_, name)

    def step(self):
        if self.client.loop(timeout=0.05) != mqtt.MQTT_ERR_SUCCESS:
            raise OSError("the connection is gone")

    def close(self):
        # Not left to the garbage collector: the client and its callbacks hold one another.
        open_socket = self.client and self.client.socket()
        if open_socket:
            open_socket.close()


class FeedbackReader(Worker):
    """Notes each outcome before it accepts it: such a message must never come back."""

    def step(self):
        path = "/messages/serviceBound/feedback"
        status, headers, body = self.rest.call("GET", path)
        if status == 204:
            time.sleep(0.01)
            return
        if status != 200:
            raise OSError(f"refused with {status}")
        for record in json.loads(body):
            if record["statusCode"] == "Success":
                self.oracle.note("completed", record["originalMessageId"])
        token = headers["iothub-messagelocktoken"]
        self.rest.call("DELETE", f"{path}/{token}")


class Operator(Worker):
    """Creates, disables, enables and deletes identities of its own and notes what was answered."""

    def step(self):
        name = self.oracle.next_identity()
        self.write(name, "enabled", {"deviceId": name})
        self.write(name, "disabled", {"deviceId": name, "status": "disabled"})
        if not self.oracle.keep(name):
            self.write(name, "deleted")

    def write(self, name, state, body=None):
        self.oracle.identity_asked(name, state)
        headers = {} if state == "enabled" else {"If-Match": "*"}
        method = "PUT" if body else "DELETE"
        status, _, answer = self.rest.call(method, f"/devices/{name}", body=body, headers=headers)
        if status not in (200, 204):
            self.oracle.note_refusal(status, answer)
            raise OSError(f"refused with {status}")
        self.oracle.note("identity", (name, state))


if __name__ == "__main__":
    amqp_sender(*sys.argv[1:])
