"""AMQP outcomes and refusals by their conditions, from a back end on bare rhea (node/amqp_send.js)."""

import base64
import json
import time

import pytest

from hub import HOST, parse, sas_token


@pytest.fixture
def amqp(hub, device):
    client = hub.start_client("node", "amqp_send.js", stdin=True)

    def attempt(message=None, **line):
        if message is not None:
            message = {"to": f"/devices/{device.id}/messages/devicebound", "body": "x", **message}
            line["message"] = {name: value for name, value in message.items() if value is not None}
        client.send(json.dumps(line))
        return client.json()

    return attempt


@pytest.fixture
def token(hub):
    return hub.policy_token("service")


def test_cbs_without_sasl(amqp, token):
    assert amqp({}, token=token) == {"outcome": "accepted"}


def test_sasl_plain_as_hub_policy(amqp, token):
    assert amqp({}, user="service@sas.root.127", password=token) == {"outcome": "accepted"}


@pytest.mark.parametrize("target", ["/messages/devicebound", "/messages/deviceBound", f"amqps://{HOST}/messages/devicebound"])
def test_the_forms_of_the_address(amqp, token, target):
    assert amqp({}, token=token, target=target) == {"outcome": "accepted"}


@pytest.mark.parametrize("to", ["/devices/sensor-1/messages/deviceBound", "/devices/sensor%2D1/messages/devicebound"])
def test_the_forms_of_to(amqp, token, to):
    assert amqp({"to": to}, token=token) == {"outcome": "accepted"}


def test_an_unknown_device(amqp, token):
    refused = amqp({"to": "/devices/nobody/messages/devicebound"}, token=token)
    assert (refused["outcome"], refused["condition"]) == ("rejected", "amqp:not-found")


@pytest.mark.parametrize("to", [None, "", "/devices/", "sensor-1", "/devices/sensor-1/messages/events"])
def test_to_must_name_a_device(amqp, token, to):
    refused = amqp({"to": to}, token=token)
    assert (refused["outcome"], refused["condition"]) == ("rejected", "amqp:not-allowed")


def test_a_full_queue(amqp, token):
    for _ in range(50):
        assert amqp({}, token=token) == {"outcome": "accepted"}
    refused = amqp({}, token=token)
    assert (refused["outcome"], refused["condition"]) == ("rejected", "amqp:resource-limit-exceeded")
    assert "50" in refused["description"]


def test_a_message_that_is_too_large(amqp, token):
    refused = amqp({"size": 65_537}, token=token)
    assert refused["condition"] == "amqp:link:message-size-exceeded"


@pytest.mark.parametrize("seconds", [-60, 3 * 24 * 3600])
def test_an_expiry_out_of_range(amqp, token, seconds):
    refused = amqp({"expiry": int((time.time() + seconds) * 1000)}, token=token)
    assert (refused["outcome"], refused["condition"]) == ("rejected", "com.microsoft:argument-error")


@pytest.mark.parametrize("policy", ["registryRead", "registryReadWrite", "device"])
def test_a_policy_without_service_connect(hub, amqp, policy):
    refused = amqp(token=hub.policy_token(policy))
    assert (refused["outcome"], refused["condition"]) == ("detached", "amqp:unauthorized-access")


def test_no_token_at_all(amqp):
    refused = amqp()
    assert (refused["outcome"], refused["condition"]) == ("detached", "amqp:unauthorized-access")


def test_an_unknown_address(amqp, token):
    assert amqp(token=token, target="/messages/nowhere")["outcome"] == "detached"


def test_bad_tokens_are_refused_with_the_id_of_the_request(hub, amqp):
    key = parse(hub.connection_string("service"))["SharedAccessKey"]
    other = base64.b64encode(bytes(32)).decode()
    bad = [
        sas_token(HOST, other, policy="service"),
        sas_token(HOST, key, policy="nobody"),
        sas_token(HOST, key, policy="iothubowner"),
        sas_token("example.org", key, policy="service"),
        sas_token(HOST, key, policy="service", lifetime_s=-3600),
        sas_token(HOST, key),
        "SharedAccessSignature sr=x",
        "",
    ]
    for token in bad[:-1]:
        refused = amqp(token=token)
        assert refused == {"outcome": "token refused", "status": refused["status"], "correlation": "put-1"}, token
        assert refused["status"] in (400, 401)


@pytest.mark.parametrize("user", ["service@sas.root.other", "nobody@sas.root.127", "service", ""])
def test_sasl_plain_with_another_name_is_refused(amqp, token, user):
    assert amqp({}, user=user or "@", password=token)["outcome"] != "accepted"


def test_sasl_plain_with_a_bad_token_is_refused(hub, amqp):
    expired = hub.policy_token("service", lifetime_s=-3600)
    assert amqp({}, user="service@sas.root.127", password=expired)["outcome"] != "accepted"


def test_a_device_token_opens_no_service_link(amqp, device):
    refused = amqp(token=device.token())
    assert refused["outcome"] in ("detached", "token refused")
