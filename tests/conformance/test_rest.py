"""The REST API as bytes: statuses, error bodies, If-Match, C2D send and feedback over HTTPS."""

import http.client
import json
import socket
import ssl

import pytest

from hub import HOST, sas_token


def put(hub, name, body=None, **options):
    return hub.rest("PUT", f"/devices/{name}", body or {"deviceId": name}, **options)


def test_an_identity_in_full(hub):
    answer = put(hub, "d1")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    device = answer.json
    assert answer.headers["etag"] == f'"{device["etag"]}"'
    assert set(device) >= {
        "deviceId", "generationId", "etag", "connectionState", "status", "statusReason", "connectionStateUpdatedTime",
        "statusUpdatedTime", "lastActivityTime", "cloudToDeviceMessageCount", "authentication", "capabilities",
    }  # fmt: skip
    assert device["authentication"]["x509Thumbprint"] == {"primaryThumbprint": None, "secondaryThumbprint": None}
    assert device["connectionStateUpdatedTime"].startswith("0001-01-01T00:00:00")


@pytest.mark.parametrize(
    "if_match, absent, present, error",
    [
        (None, 200, 409, "DeviceAlreadyExists"),
        ("*", 404, 200, "DeviceNotFound"),
        ('"*"', 404, 200, "DeviceNotFound"),
        ('"b3RoZXI="', 404, 412, "DeviceNotFound"),
    ],
)
def test_if_match_on_put(hub, if_match, absent, present, error):
    headers = {} if if_match is None else {"If-Match": if_match}
    first = put(hub, "d1", headers=headers)
    assert first.status == absent
    if absent == 404:
        assert first.error == error
        assert put(hub, "d1").status == 200
    second = put(hub, "d1", headers=headers)
    assert second.status == present
    if present != 200:
        assert second.error in ("DeviceAlreadyExists", "PreconditionFailed")


def test_if_match_on_delete(hub):
    assert hub.rest("DELETE", "/devices/d1").status == 404
    etag = put(hub, "d1").json["etag"]
    assert hub.rest("DELETE", "/devices/d1", headers={"If-Match": '"b3RoZXI="'}).error == "PreconditionFailed"
    answer = hub.rest("DELETE", "/devices/d1", headers={"If-Match": f'W/"{etag}"'})
    assert (answer.status, answer.body) == (204, b"")


def test_names_of_properties_and_values_in_any_case(hub):
    assert put(hub, "d1", {"DeviceId": "d1", "Status": "Disabled", "unknown": {"x": 1}}).json["status"] == "disabled"


def test_the_path_in_every_form(hub):
    put(hub, "d1")
    for path in ("/devices/d1", "/Devices/d1", "/devices/d1/", "/devices/%64%31", "/devices%2Fd1"):
        assert hub.rest("GET", path).status == 200, path


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=latest", "?api-version=1999-01-01"])
def test_the_api_version_is_asked_for(hub, query):
    token = hub.policy_token("iothubowner")
    connection = http.client.HTTPSConnection(HOST, 443, context=ssl.create_default_context(), timeout=20)
    connection.request("GET", "/devices" + query, headers={"Authorization": token})
    assert connection.getresponse().status == 400


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[]", '"text"', "null", '{"deviceId": "other"}', '{"deviceId": "d1", "status": "asleep"}',
        '{"deviceId": "d1", "authentication": {"symmetricKey": {"primaryKey": "not base64!", "secondaryKey": "AAAA"}}}',
        '{"deviceId": "d1", "authentication": {"symmetricKey": {"primaryKey": "%s"}}}' % ("A" * 44),
        '{"deviceId": "d1", "statusReason": "%s"}' % ("x" * 129),
        "[" * 100_000,
    ],
)  # fmt: skip
def test_bodies_that_are_not_an_identity(hub, body):
    headers = {"Content-Type": "application/json"}
    answer = hub.rest("PUT", "/devices/d1", body, headers=headers)
    assert answer.status == 400
    assert answer.error
    assert hub.rest("GET", "/devices/d1").status == 404


def test_unauthorized(hub):
    put(hub, "d1")
    key = "A" * 43 + "="
    for token in ("", "Bearer x", "SharedAccessSignature", sas_token(HOST, key, policy="iothubowner")):
        answer = hub.rest("GET", "/devices/d1", token=token)
        assert answer.status == 401
        assert answer.json["Message"].startswith("ErrorCode:IotHubUnauthorizedAccess;")
    assert hub.rest("GET", "/devices/d1", policy="service").error == "IotHubUnauthorized"
    expired = hub.policy_token("iothubowner", lifetime_s=-3600)
    assert hub.rest("GET", "/devices/d1", token=expired).status == 401


def test_a_tracking_id_is_in_the_log(hub):
    answer = hub.rest("GET", "/devices/nobody")
    assert answer.status == 404
    tracking_id = answer.json["ExceptionMessage"].removeprefix("Tracking ID:").split("-")[0]
    assert len(tracking_id) == 32
    assert tracking_id in hub.log()


def test_paths_that_are_not_there(hub):
    assert hub.rest("GET", "/nothing").status == 404
    assert hub.rest("POST", "/devices/d1").status in (404, 405)


def test_top(hub):
    for number in range(3):
        put(hub, f"d{number}")
    for top, count in (("1", 1), ("3", 3), ("0", 3), ("-1", 3), ("100000", 3)):
        assert len(hub.rest("GET", f"/devices?top={top}").json) == count, top


# --- C2D over REST ----------------------------------------------------------------------------------


def send(hub, headers=None, body="x", name="d1", **options):
    return hub.rest("POST", f"/devices/{name}/messages/deviceBound", body, headers=headers, **options)


def test_send(hub):
    put(hub, "d1")
    headers = {"iothub-messageid": "m1", "iothub-correlationid": "c1", "iothub-app-a": "b", "iothub-ack": "full"}
    answer = send(hub, headers, policy="service")
    assert (answer.status, answer.body) == (204, b"")
    assert hub.rest("GET", "/devices/d1").json["cloudToDeviceMessageCount"] == 1


def test_send_refusals(hub):
    put(hub, "d1")
    assert send(hub, name="nobody").error == "DeviceNotFound"
    assert send(hub, policy="registryRead").status == 401
    too_large = send(hub, body="x" * 65_537)
    assert (too_large.status, too_large.error) == (413, "MessageTooLarge")
    assert send(hub, {"iothub-expiry": "2001-01-01T00:00:00Z"}).status == 403
    for _ in range(50):
        assert send(hub).status == 204
    full = send(hub)
    assert (full.status, full.error) == (403, "DeviceMaximumQueueDepthExceeded")


def feedback(hub, method, path=""):
    return hub.rest(method, f"/messages/serviceBound/feedback{path}", policy="service")


def test_feedback(hub):
    put(hub, "d1")
    assert feedback(hub, "GET").status == 204
    send(hub, {"iothub-messageid": "m1", "iothub-ack": "full"})
    purged = hub.rest("DELETE", "/devices/d1/commands", policy="service")
    assert purged.json == {"totalMessagesPurged": 1, "deviceId": "d1", "moduleId": None}

    answer = feedback(hub, "GET")
    (record,) = answer.json
    assert (record["originalMessageId"], record["statusCode"]) == ("m1", "Purged")
    assert feedback(hub, "GET").status == 204  # It is locked.
    token = answer.headers["iothub-messagelocktoken"]
    assert feedback(hub, "POST", f"/{token}/abandon").status == 204

    token = feedback(hub, "GET").headers["iothub-messagelocktoken"]
    assert feedback(hub, "DELETE", f"/{token}").status == 204
    assert feedback(hub, "DELETE", f"/{token}").status == 412
    assert feedback(hub, "GET").status == 204


def test_feedback_of_an_expired_message(timed_hub):
    hub = timed_hub
    put(hub, "d1")
    send(hub, {"iothub-messageid": "m1", "iothub-ack": "negative"})
    hub.advance("61m")
    later = hub.cli("hub", "generate-sas-token", "--policy", "service", "-o", "tsv")
    answer = hub.rest("GET", "/messages/serviceBound/feedback", token=later)
    assert [(r["originalMessageId"], r["statusCode"]) for r in answer.json] == [("m1", "Expired")]


# --- HTTP itself ------------------------------------------------------------------------------------


def raw(request):
    """Sends bytes over TLS and returns everything that came back until the hub closed."""
    with socket.create_connection((HOST, 443), timeout=20) as plain:
        with ssl.create_default_context().wrap_socket(plain, server_hostname=HOST) as stream:
            stream.sendall(request)
            answer = b""
            while True:
                chunk = stream.recv(65536)
                if not chunk:
                    return answer
                answer += chunk


@pytest.mark.parametrize(
    "lines",
    [
        "GET /devices HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "GET /devices HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /devices HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\nx",
        "GET /devices HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "GET /devices HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /devices HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "NONSENSE\r\n\r\n",
    ],
)
def test_ambiguous_requests_are_refused_and_the_connection_closed(hub, lines):
    answer = raw(lines.encode())
    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_requests_on_one_connection(hub):
    connection = http.client.HTTPSConnection(HOST, 443, context=ssl.create_default_context(), timeout=20)
    headers = {"Authorization": hub.policy_token("iothubowner")}
    for number in range(5):
        body = json.dumps({"deviceId": f"d{number}"})
        connection.request("PUT", f"/devices/d{number}?api-version=2021-04-12", body=body, headers=headers)
        response = connection.getresponse()
        assert response.status == 200
        response.read()
