"""Reads events as `az iot hub monitor-events` does, with uamqp: the redirect, then the partitions on one connection."""

import os
import time

import pytest
import uamqp
from azure.iot.device import IoTHubDeviceClient
from uamqp import authentication, errors

from hub import HOST, parse

WAIT_MS = 30_000


@pytest.fixture
def sent(device):
    client = IoTHubDeviceClient.create_from_connection_string(device.connection_string)
    for body in ("one", "two"):
        client.send_message(body)
    client.shutdown()
    return [b"one", b"two"]


def redirected(hub):
    """What the detach of a receiver at messages/events/$management says."""
    user = f"service@sas.root.{HOST.split('.', 1)[0]}"
    login = authentication.SASLPlain(HOST, user, hub.policy_token(), verify=os.environ["SSL_CERT_FILE"])
    client = uamqp.ReceiveClient(f"amqps://{HOST}/messages/events/$management", auth=login, error_policy=errors.ErrorPolicy(max_retries=0))
    try:
        client.receive_message_batch(max_batch_size=1, timeout=WAIT_MS)
    except errors.LinkRedirect as redirect:
        return redirect
    finally:
        client.close()
    raise AssertionError("there was no redirect")


def test_the_redirect_leads_to_the_events(hub, device, sent):
    redirect = redirected(hub)
    assert (redirect.hostname, redirect.port) == (HOST.encode(), 5671)
    address = redirect.address.decode()
    assert address.startswith(f"amqps://{HOST}:5671/") and address.endswith("/$management")
    entity = address.removeprefix("amqps://").split("/")[1]

    key = parse(hub.connection_string())["SharedAccessKey"]
    resource = f"sb://{HOST}/{entity}"
    auth = authentication.SASTokenAuth.from_shared_access_key(
        resource, "service", key, verify=os.environ["SSL_CERT_FILE"]
    )
    connection = uamqp.Connection(HOST, auth)
    described = uamqp.Message(application_properties={"name": entity})
    management = uamqp.AMQPClient(f"amqps://{HOST}/{entity}", auth=auth)
    management.open(connection=connection)
    answer = management.mgmt_request(
        described,
        b"READ",
        op_type=b"com.microsoft:eventhub",
        status_code_field=b"status-code",
        description_fields=b"status-description",
    )
    info = answer.get_data()
    assert info[b"partition_count"] == 4
    partitions = [partition.decode() for partition in info[b"partition_ids"]]
    assert partitions == ["0", "1", "2", "3"]

    since = int((time.time() - 3600) * 1000)
    bodies = []
    for partition in partitions:
        source = uamqp.address.Source(f"amqps://{HOST}/{entity}/ConsumerGroups/$Default/Partitions/{partition}")
        source.set_filter(f"amqp.annotation.x-opt-enqueuedtimeutc > {since}".encode())
        client = uamqp.ReceiveClient(source, auth=auth, timeout=2000, prefetch=10)
        client.open(connection=connection)
        for message in client.receive_message_batch(max_batch_size=10, timeout=2000):
            assert message.annotations[b"iothub-connection-device-id"] == device.id.encode()
            bodies.append(b"".join(message.get_data()))
        client.close()
    management.close()
    assert bodies == sent
