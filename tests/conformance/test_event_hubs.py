"""Back ends that read telemetry from the Event Hubs-compatible endpoint with Microsoft's Event Hubs SDK for Python."""

import asyncio
import datetime
import json
import os
import threading
import time

import pytest
from azure.eventhub import (
    CheckpointStore,
    EventData,
    EventHubConsumerClient,
    EventHubProducerClient,
    TransportType,
)
from azure.eventhub.aio import EventHubConsumerClient as AsyncConsumerClient
from azure.eventhub.exceptions import AuthenticationError, ConnectError, EventHubError
from azure.iot.device import IoTHubDeviceClient, Message

WAIT_S = 60
GROUP = "$Default"


def consumer(hub, text=None, group=GROUP, **options):
    options.setdefault("connection_verify", os.environ["SSL_CERT_FILE"])
    return EventHubConsumerClient.from_connection_string(text or hub.event_hub_string(), group, **options)


def send(device, bodies, **options):
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string, **options)
    for body in bodies:
        client.send_message(body)  # Returns after the PUBACK.
    client.shutdown()


class Reading:
    """A consumer that receives on a thread of its own."""

    def __init__(self, client, **options):
        self.client = client
        self.events = []  # (partition, event)
        self.errors = []
        self.changed = threading.Condition()
        options.setdefault("starting_position", "-1")
        options.setdefault("max_wait_time", 0.1)
        self.thread = threading.Thread(
            target=client.receive_batch,
            kwargs={"on_event_batch": self.on_events, "on_error": self.on_error, **options},
        )
        self.thread.start()

    def on_events(self, context, events):
        with self.changed:
            self.events += [(context.partition_id, event) for event in events]
            self.changed.notify_all()
        if events:
            context.update_checkpoint(events[-1])

    def on_error(self, _context, error):
        with self.changed:
            self.errors.append(error)
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, WAIT_S), (len(self.events), self.errors)

    def take(self, count):
        """The bodies of the first `count` events, once they came."""
        self.wait(lambda: len(self.events) >= count)
        return [event.body_as_str() for _, event in self.events]

    def stop(self):
        self.client.close()
        self.thread.join(WAIT_S)
        return self.events


def read(client, count, **options):
    reading = Reading(client, **options)
    try:
        reading.take(count)
    finally:
        reading.stop()
    assert len(reading.events) == count and not reading.errors, reading.errors
    return [event for _, event in reading.events]


def bodies(events):
    return [event.body_as_str() for event in events]


def partition_of(hub, device):
    """Where the events of a device are: it sends one, which is the first of its partition."""
    send(device, ["first"])
    reading = Reading(consumer(hub))
    reading.take(1)
    return reading.stop()[0][0]


def test_an_event_arrives_as_it_was_sent(hub, device):
    message = Message('{"wind": 12}', message_id="m 1", content_encoding="utf-8", content_type="application/json")
    message.correlation_id = "c1"
    message.custom_properties["odd &=/+% ü"] = "a&b=c/d"
    before = time.time()
    send(device, [message])
    (event,) = read(consumer(hub), 1)
    assert event.body_as_json() == {"wind": 12}
    assert event.properties == {b"odd &=/+% \xc3\xbc": b"a&b=c/d"}
    assert (event.message_id, event.correlation_id) == ("m 1", "c1")
    assert event.content_type == "application/json"
    assert event.raw_amqp_message.properties.content_encoding == b"utf-8"
    system = event.system_properties
    assert system[b"iothub-connection-device-id"] == device.id.encode()
    assert system[b"iothub-message-source"] == b"Telemetry"
    assert system[b"iothub-connection-auth-generation-id"].decode() == device.identity["generationId"]
    assert json.loads(system[b"iothub-connection-auth-method"])["scope"] == "device"
    assert (event.sequence_number, event.offset) == (0, "0")
    assert abs(event.enqueued_time.timestamp() - before) < WAIT_S


def test_the_hub_and_its_partitions_describe_themselves(hub, device):
    partition = partition_of(hub, device)
    with consumer(hub) as client:
        described = client.get_eventhub_properties()
        assert described["partition_ids"] == client.get_partition_ids() == ["0", "1", "2", "3"]
        assert described["eventhub_name"] in hub.event_hub_string()
        full = client.get_partition_properties(partition)
        assert (full["beginning_sequence_number"], full["last_enqueued_sequence_number"]) == (0, 0)
        assert not full["is_empty"]
        (empty, *_) = [p for p in described["partition_ids"] if p != partition]
        nothing = client.get_partition_properties(empty)
        assert nothing["is_empty"] and nothing["last_enqueued_sequence_number"] == -1
        with pytest.raises(EventHubError):
            client.get_partition_properties("4")


def test_every_position(hub, device):
    partition = partition_of(hub, device)
    send(device, ["second", "third"])

    def from_(position, count, inclusive=False):
        options = {"partition_id": partition, "starting_position": position, "starting_position_inclusive": inclusive}
        return read(consumer(hub), count, **options)

    events = from_("-1", 3)
    assert bodies(events) == ["first", "second", "third"]
    second = events[1]
    assert bodies(from_(second.offset, 1)) == ["third"]
    assert bodies(from_(second.offset, 2, inclusive=True)) == ["second", "third"]
    assert bodies(from_(second.sequence_number, 1)) == ["third"]
    assert bodies(from_(second.sequence_number, 2, inclusive=True)) == ["second", "third"]
    before = events[0].enqueued_time - datetime.timedelta(seconds=1)
    assert bodies(from_(before, 3)) == ["first", "second", "third"]
    assert bodies(from_(events[0].enqueued_time, 3, inclusive=True)) == ["first", "second", "third"]


def test_latest_sees_only_what_comes_after_it(hub, device):
    partition = partition_of(hub, device)
    reading = Reading(consumer(hub), partition_id=partition, starting_position="@latest")
    hub.wait_for_metric("linarite_event_receivers", 1)
    send(device, ["later"])
    assert reading.take(1) == ["later"]
    reading.stop()


def test_the_end_of_the_log_is_told_with_each_event(hub, device):
    partition = partition_of(hub, device)
    told = []

    def on_events(context, events):
        told.extend(context.last_enqueued_event_properties for _ in events)

    client = consumer(hub)
    receive = {"on_event_batch": on_events, "partition_id": partition, "starting_position": "-1", "max_wait_time": 0.1}
    thread = threading.Thread(
        target=client.receive_batch, kwargs={**receive, "track_last_enqueued_event_properties": True}
    )
    thread.start()
    deadline = time.monotonic() + WAIT_S
    while not told and time.monotonic() < deadline:
        time.sleep(0.01)
    client.close()
    thread.join(WAIT_S)
    assert (told[0]["sequence_number"], told[0]["offset"]) == (0, "0")


def test_an_owner_displaces_the_one_before(hub, device):
    partition = partition_of(hub, device)
    options = {"partition_id": partition, "starting_position": "-1"}
    first = Reading(consumer(hub, retry_total=0), owner_level=1, **options)
    first.take(1)
    second = Reading(consumer(hub), owner_level=2, **options)
    second.take(1)
    first.wait(lambda: first.errors)
    assert "stolen" in str(first.errors[0]).lower() or "disconnect" in str(first.errors[0]).lower()
    first.stop()
    second.stop()


class Checkpoints(CheckpointStore):
    """Ownerships and checkpoints that consumers share, in memory or in a file."""

    def __init__(self, path=None):
        self.path = path
        self.lock = threading.Lock()
        self.ownerships = {}
        self.checkpoints = json.loads(path.read_text()) if path and path.exists() else {}

    def list_ownership(self, fully_qualified_namespace, eventhub_name, consumer_group, **_):
        with self.lock:
            return [dict(ownership) for ownership in self.ownerships.values()]

    def claim_ownership(self, ownership_list, **_):
        claimed = []
        with self.lock:
            for wanted in ownership_list:
                held = self.ownerships.get(wanted["partition_id"])
                if held and held["etag"] != wanted.get("etag"):
                    continue
                taken = {**wanted, "etag": os.urandom(8).hex(), "last_modified_time": time.time()}
                self.ownerships[wanted["partition_id"]] = taken
                claimed.append(dict(taken))
        return claimed

    def list_checkpoints(self, fully_qualified_namespace, eventhub_name, consumer_group, **_):
        with self.lock:
            return list(self.checkpoints.values())

    def update_checkpoint(self, checkpoint, **_):
        with self.lock:
            self.checkpoints[checkpoint["partition_id"]] = dict(checkpoint)
            if self.path:
                self.path.write_text(json.dumps(self.checkpoints))


def test_two_consumers_share_the_partitions(hub):
    devices = [hub.create_device(f"sensor-{i}") for i in range(8)]
    store = Checkpoints()
    readings = [Reading(consumer(hub, checkpoint_store=store, load_balancing_interval=1)) for _ in range(2)]
    deadline = time.monotonic() + WAIT_S

    def owners():
        return sorted(o["owner_id"] for o in store.list_ownership("", "", "") if o["owner_id"])

    while not (len(owners()) == 4 and owners()[0] == owners()[1] != owners()[2] == owners()[3]):
        assert time.monotonic() < deadline, owners()
        time.sleep(0.1)
    for device in devices:
        send(device, [f"{device.id}: {i}" for i in range(5)])
    sent = {f"{device.id}: {i}" for device in devices for i in range(5)}

    def everything():
        return {event.body_as_str() for reading in readings for _, event in reading.events} >= sent

    while not everything():
        assert time.monotonic() < deadline, [len(r.events) for r in readings]
        time.sleep(0.05)
    for reading in readings:
        reading.stop()


def test_a_reader_goes_on_at_its_checkpoint(hub, device, tmp_path):
    path = tmp_path / "checkpoints"
    send(device, [str(i) for i in range(20)])
    got = bodies(read(consumer(hub, checkpoint_store=Checkpoints(path)), 20))
    hub.restart_after_kill()
    send(device, [str(i) for i in range(20, 30)])
    got += bodies(read(consumer(hub, checkpoint_store=Checkpoints(path)), 10))
    assert got == [str(i) for i in range(30)]


def test_asyncio(hub, device):
    send(device, [str(i) for i in range(10)])

    async def receive():
        client = AsyncConsumerClient.from_connection_string(
            hub.event_hub_string(), GROUP, connection_verify=os.environ["SSL_CERT_FILE"]
        )
        events = []
        enough = asyncio.Event()

        async def on_event(_context, event):
            events.append(event)
            if len(events) == 10:
                enough.set()

        async with client:
            task = asyncio.create_task(client.receive(on_event=on_event, starting_position="-1"))
            await asyncio.wait_for(enough.wait(), WAIT_S)
            task.cancel()
        return events

    assert bodies(asyncio.run(receive())) == [str(i) for i in range(10)]


def test_over_websocket(hub, device):
    send(device, ["by WebSocket"], websockets=True)
    events = read(consumer(hub, transport_type=TransportType.AmqpOverWebsocket), 1)
    assert bodies(events) == ["by WebSocket"]


def test_without_tls_as_with_an_emulator(new_hub, monkeypatch):
    monkeypatch.setenv("LINARITE_LISTEN_PLAIN_AMQP_PORT", "5672")
    hub = new_hub()
    hub.trust_here()
    device = hub.create_device("sensor-1")
    send(device, ["in the clear"])
    events = read(consumer(hub, hub.event_hub_string("--use-emulator")), 1)
    assert bodies(events) == ["in the clear"]


def test_uamqp(hub, device):
    send(device, ["by uamqp"])
    assert bodies(read(consumer(hub, uamqp_transport=True), 1)) == ["by uamqp"]


def test_nobody_writes_there(hub):
    producer = EventHubProducerClient.from_connection_string(
        hub.event_hub_string(policy="iothubowner"),
        connection_verify=os.environ["SSL_CERT_FILE"],
        retry_total=0,
    )
    with producer, pytest.raises(EventHubError):
        producer.send_batch([EventData("no")])


def test_a_wrong_key_is_refused(hub):
    text = hub.event_hub_string().replace("SharedAccessKey=", "SharedAccessKey=AAAA")
    with consumer(hub, text, retry_total=0) as client, pytest.raises((AuthenticationError, ConnectError)):
        client.get_partition_ids()


def test_a_policy_without_service_connect_is_refused(hub):
    text = hub.event_hub_string(policy="device")
    with consumer(hub, text, retry_total=0) as client, pytest.raises(EventHubError):
        client.get_partition_ids()


def test_each_consumer_group_reads_everything(new_hub, monkeypatch):
    monkeypatch.setenv("LINARITE_HUB_CONSUMER_GROUPS", "archive")
    hub = new_hub()
    hub.trust_here()
    send(hub.create_device("sensor-1"), ["for all"])
    for group in (GROUP, "archive"):
        assert bodies(read(consumer(hub, group=group), 1)) == ["for all"]
    reading = Reading(consumer(hub, group="nobody", retry_total=0), partition_id="0")
    reading.wait(lambda: reading.errors)
    assert "nobody" in str(reading.errors[0]) or "not" in str(reading.errors[0]).lower()
    reading.stop()
