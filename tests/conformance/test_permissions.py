"""Who may do what: every default policy against every operation, from the table of the original's documentation."""

import pytest

from hub import HOST, parse, sas_token

POLICIES = ("iothubowner", "service", "device", "registryRead", "registryReadWrite")

# Operation, and the policies that may: service-protocol 5.14 and the five defaults of 1.2.
READ = {"iothubowner", "registryRead", "registryReadWrite"}
WRITE = {"iothubowner", "registryReadWrite"}
SERVICE = {"iothubowner", "service"}
TABLE = [
    ("GET", "/devices/d1", None, READ),
    ("GET", "/devices", None, READ),
    ("PUT", "/devices/d2", {"deviceId": "d2"}, WRITE),
    ("DELETE", "/devices/d1", None, WRITE),
    # The original's documents name RegistryRead for one and ServiceConnect for both: either will do.
    ("GET", "/statistics/devices", None, READ | SERVICE),
    ("GET", "/statistics/service", None, READ | SERVICE),
    ("POST", "/devices/d1/messages/deviceBound", "x", SERVICE),
    ("DELETE", "/devices/d1/commands", None, SERVICE),
    ("GET", "/messages/serviceBound/feedback", None, SERVICE),
]


@pytest.mark.parametrize("method, path, body, allowed", TABLE, ids=[f"{row[0]} {row[1]}" for row in TABLE])
def test_the_matrix(hub, method, path, body, allowed):
    assert hub.rest("PUT", "/devices/d1", {"deviceId": "d1"}).status == 200
    # The refused ones first: a refused call must also have changed nothing for the allowed one.
    for policy in sorted(POLICIES, key=lambda name: name in allowed):
        answer = hub.rest(method, path, body, policy=policy)
        if policy not in allowed:
            assert (answer.status, answer.error) == (401, "IotHubUnauthorized"), policy
        else:
            assert answer.status in (200, 204), policy
            if method in ("PUT", "DELETE") and path.startswith("/devices/d"):
                hub.rest("DELETE", "/devices/d2")
                hub.rest("PUT", "/devices/d1", {"deviceId": "d1"})


def test_a_device_key_opens_no_service_call(hub, device):
    for method, path, body, _ in TABLE:
        assert hub.rest(method, path, body, token=device.token()).status == 401


def test_a_renewed_key_of_a_policy_ends_the_old_one(hub):
    old = hub.policy_token("service")
    assert hub.rest("GET", "/statistics/service", token=old).status == 200
    hub.cli("hub", "policy", "renew-key", "--name", "service", "--rk", "primary")
    assert hub.rest("GET", "/statistics/service", token=old).status == 401
    assert hub.rest("GET", "/statistics/service", policy="service").status == 200
    hub.restart_after_kill()
    assert hub.rest("GET", "/statistics/service", token=old).status == 401


def test_both_keys_of_a_policy_work(hub):
    show = ("hub", "connection-string", "show", "--policy-name", "service", "-o", "tsv")
    for key_type in ("primary", "secondary"):
        key = parse(hub.cli(*show, "--key-type", key_type))["SharedAccessKey"]
        token = sas_token(HOST, key, policy="service")
        assert hub.rest("GET", "/statistics/service", token=token).status == 200
