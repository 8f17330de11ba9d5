"""The command line: az's words, its output forms, and where it finds the hub."""

import json
import os
import re
import signal
import time

import pytest

from hub import HOST, CommandFailed, parse

IDENTITY = ("hub", "device-identity")


def test_the_life_of_an_identity(hub):
    created = hub.cli_json(*IDENTITY, "create", "-d", "d1")
    assert created["deviceId"] == "d1"
    assert hub.cli_json(*IDENTITY, "show", "--device-id", "d1") == created
    assert [one["deviceId"] for one in hub.cli_json(*IDENTITY, "list")] == ["d1"]
    updated = hub.cli_json(*IDENTITY, "update", "-d", "d1", "--status", "disabled", "--status-reason", "broken")
    assert (updated["status"], updated["statusReason"]) == ("disabled", "broken")
    renewed = hub.cli_json(*IDENTITY, "renew-key", "-d", "d1", "--kt", "primary")
    keys, old = (one["authentication"]["symmetricKey"] for one in (renewed, created))
    assert keys["primaryKey"] != old["primaryKey"]
    assert keys["secondaryKey"] == old["secondaryKey"]
    hub.cli(*IDENTITY, "delete", "-d", "d1")
    assert hub.cli_json(*IDENTITY, "list") == []


def test_renew_key_can_swap(hub, device):
    swapped = hub.cli_json(*IDENTITY, "renew-key", "-d", device.id, "--key-type", "swap")
    keys, old = (one["authentication"]["symmetricKey"] for one in (swapped, device.identity))
    assert (keys["primaryKey"], keys["secondaryKey"]) == (old["secondaryKey"], old["primaryKey"])


def test_connection_strings(hub, device):
    text = hub.cli(*IDENTITY, "connection-string", "show", "-d", device.id, "-o", "tsv")
    assert parse(text) == {"HostName": HOST, "DeviceId": device.id, "SharedAccessKey": device.key}
    shown = hub.cli_json(*IDENTITY, "connection-string", "show", "-d", device.id)
    assert shown == {"connectionString": text}
    service = parse(hub.cli("hub", "connection-string", "show", "--policy-name", "service", "-o", "tsv"))
    assert (service["HostName"], service["SharedAccessKeyName"]) == (HOST, "service")
    default = parse(hub.cli_json("hub", "connection-string", "show")["connectionString"])
    assert default["SharedAccessKeyName"] == "iothubowner"


def test_policies(hub):
    names = [policy["keyName"] for policy in hub.cli_json("hub", "policy", "list")]
    assert sorted(names) == ["device", "iothubowner", "registryRead", "registryReadWrite", "service"]
    shown = hub.cli_json("hub", "policy", "show", "--name", "service")
    assert shown["rights"] == "ServiceConnect"
    assert shown["primaryKey"] != shown["secondaryKey"]


def test_tables_have_a_header_and_a_line_each(hub, device):
    table = hub.cli(*IDENTITY, "list", "-o", "table").splitlines()
    assert "deviceid" in table[0].lower()
    assert any(device.id in line for line in table[1:])


def test_what_is_not_there_is_said_in_one_line(hub):
    with pytest.raises(CommandFailed) as failed:
        hub.cli(*IDENTITY, "show", "-d", "nobody")
    assert "nobody" in failed.value.stderr or "DeviceNotFound" in failed.value.stderr
    assert len(failed.value.stderr.strip().splitlines()) == 1
    assert re.search(r"\(404001, tracking id [0-9A-F-]+", failed.value.stderr, re.IGNORECASE), failed.value.stderr


@pytest.mark.parametrize("words", [("hub", "devices"), (), ("hub", "device-identity", "create")])
def test_a_command_that_is_none(hub, words):
    assert hub.run(*words).returncode != 0


def test_the_login_of_a_connection_string(hub, device):
    login = hub.connection_string("iothubowner")
    assert json.loads(hub.run(*IDENTITY, "show", "-d", device.id, "--login", login).stdout)["deviceId"] == device.id
    os.environ["LINARITE_CONNECTION_STRING"] = login
    assert json.loads(hub.run(*IDENTITY, "show", "-d", device.id).stdout)["deviceId"] == device.id
    weak = hub.connection_string("service")
    refused = hub.run(*IDENTITY, "show", "-d", device.id, "--login", weak)
    assert refused.returncode != 0
    assert "IotHubUnauthorized" in refused.stderr or "401" in refused.stderr


def test_sas_tokens(hub, device):
    token = hub.cli("hub", "generate-sas-token", "--policy", "service", "--du", "60", "-o", "tsv")
    assert token.startswith("SharedAccessSignature sr=")
    assert hub.rest("GET", "/statistics/service", token=token).status == 200
    shown = hub.cli_json("hub", "generate-sas-token", "-d", device.id)
    assert "skn" not in shown["sas"]


def test_send_and_wait_for_the_outcome(hub, device):
    client = hub.node("device.js", device.connection_string)
    assert client.json() == "open"
    done = hub.cli(
        "device", "c2d-message", "send", "-d", device.id, "--data", '{"wind": 12.3}', "--mid", "m1", "--cid", "c1",
        "--ct", "application/json", "--props", "testProperty=x", "--ack", "full", "--wait",
    )  # fmt: skip
    assert "Success" in done
    got = client.json()
    assert (got["body"], got["messageId"]) == ('{"wind": 12.3}', "m1")
    assert got["properties"] == {"testProperty": "x", "iothub-ack": "full"}


def test_send_to_nobody_fails(hub):
    with pytest.raises(CommandFailed):
        hub.cli("device", "c2d-message", "send", "-d", "nobody", "--data", "x")


def test_send_and_purge(hub, device):
    for _ in range(3):
        hub.cli("device", "c2d-message", "send", "-d", device.id, "--data", "x")
    assert hub.cli_json("device", "c2d-message", "purge", "-d", device.id)["totalMessagesPurged"] == 3


def test_monitor_feedback_prints_each_record(hub, device):
    monitor = hub.start_client(*hub.words("hub", "monitor-feedback"))
    hub.cli("device", "c2d-message", "send", "-d", device.id, "--data", "x", "--mid", "m1", "--ack", "full")
    hub.cli("device", "c2d-message", "purge", "-d", device.id)
    seen = ""
    while "Purged" not in seen:
        seen += monitor.line()
    assert "m1" in seen
    monitor.process.terminate()
    monitor.process.wait(20)


def purged(hub, device, message_id):
    """Makes a record of feedback."""
    hub.cli("device", "c2d-message", "send", "-d", device.id, "--data", "x", "--mid", message_id, "--ack", "full")
    hub.cli("device", "c2d-message", "purge", "-d", device.id)


def test_a_search_leaves_the_feedback_of_others(hub, device):
    other = hub.create_device("sensor-2")
    purged(hub, other, "m1")
    purged(hub, device, "m2")
    assert "m2" in hub.cli("hub", "monitor-feedback", "-w", "m2")
    purged(hub, device, "m3")
    monitor = hub.start_client(*hub.words("hub", "monitor-feedback"))
    seen = ""
    while "m1" not in seen or "m3" not in seen:
        seen += monitor.line()
    monitor.process.terminate()
    monitor.process.wait(20)


def test_what_was_waited_for_is_taken(hub, device):
    for number in range(10):
        purged(hub, device, f"m{number}")
        found = hub.cli("hub", "monitor-feedback", "-w", f"m{number}", "-o", "tsv")
        assert len(found.splitlines()) == 1
    purged(hub, device, "last")
    monitor = hub.start_client(*hub.words("hub", "monitor-feedback"))
    assert "last" in monitor.line()
    monitor.process.terminate()
    monitor.process.wait(20)


def test_a_monitor_goes_on_after_a_restart_of_the_hub(hub, device):
    monitor = hub.start_client(*hub.words("hub", "monitor-feedback"))
    purged(hub, device, "before")
    while "before" not in monitor.line():
        pass
    hub.restart()
    purged(hub, device, "after")
    while "after" not in monitor.line():
        pass
    monitor.process.send_signal(signal.SIGINT)
    assert monitor.process.wait(20) == -signal.SIGINT


def test_the_login_of_a_hub_on_another_time(timed_hub):
    login = timed_hub.connection_string("iothubowner")
    timed_hub.advance("5h")
    send = ("device", "c2d-message", "send", "-d", "d1", "--data", "x")
    for words in ((*IDENTITY, "create", "-d", "d1"), send):
        done = timed_hub.run(*words, "--login", login)
        assert (done.returncode, done.stderr) == (0, "")
    assert timed_hub.cli_json(*IDENTITY, "show", "-d", "d1")["cloudToDeviceMessageCount"] == 1


def test_a_message_of_a_device(hub, device):
    hub.cli("device", "send-d2c-message", "-d", device.id, "--data", "x", "--props", "$.ct=text/plain;a=b", "--mc", "2")
    hub.wait_for_metric("linarite_events_appended_total", 2)
    with pytest.raises(CommandFailed) as failed:
        hub.cli("device", "send-d2c-message", "-d", "nobody", "--data", "x")
    assert "DeviceNotFound" in failed.value.stderr


def test_simulated_devices_send_and_complete(hub, device):
    hub.cli("device", "c2d-message", "send", "-d", device.id, "--data", "turn left", "--mid", "m1")
    shown = hub.cli("device", "simulate", "-d", device.id, "--da", "x", "--mc", "3", "--mi", "1")
    received, summary = shown.split("\n", 1)
    assert json.loads(received)["c2dMessage"]["payload"] == "turn left"
    done = json.loads(summary)
    assert [done[name] for name in ("sent", "acknowledged", "failed", "received")] == [3, 3, 0, 1]
    assert hub.cli_json(*IDENTITY, "show", "-d", device.id)["cloudToDeviceMessageCount"] == 0


def test_many_simulated_devices_at_a_rate(hub):
    words = ("device", "simulate", "-d", "sim", "--devices", "20", "--da", "x", "--mc", "50", "--rate", "1000")
    done = hub.cli_json(*words)
    assert (done["sent"], done["acknowledged"]) == (1000, 1000)
    hub.wait_for_metric("linarite_events_appended_total", 1000)
    again = hub.cli_json("device", "simulate", "--devices", "20", "--da", "x", "--mc", "1", "--rate", "1000")
    assert again["acknowledged"] == 20


def test_a_simulation_ends_clean_when_interrupted(hub, device):
    words = hub.words("device", "simulate", "-d", device.id, "--da", "x", "--rate", "100", "--mc", "1000000", "-o", "tsv")
    simulation = hub.start_client(*words)
    deadline = time.monotonic() + 20
    while b"linarite_events_appended_total 0" in hub.admin("/metrics").body:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    simulation.process.send_signal(signal.SIGINT)
    acknowledged, failed = simulation.line().split("\t")[:2]
    assert int(acknowledged) > 0 and int(failed) == 0
    assert simulation.process.wait(20) == 0


def watch(hub, *words):
    """A running monitor of all events, with its errors on the side."""
    return hub.start_client(*hub.words("hub", "monitor-events", *words))


def test_monitor_events_shows_what_az_shows(hub, device):
    props = "$.ct=application/json;$.ce=utf-8;color=red"
    hub.cli("device", "send-d2c-message", "-d", device.id, "--data", '{"wind": 1}', "--props", props)
    monitor = watch(hub, "-e", "0", "-p", "all")
    event = monitor.json()["event"]
    assert (event["origin"], event["payload"]) == (device.id, {"wind": 1})
    assert event["properties"]["application"] == {"color": "red"}
    assert event["properties"]["system"]["content_type"] == "application/json"
    assert event["annotations"]["iothub-connection-device-id"] == device.id
    hub.cli("device", "send-d2c-message", "-d", device.id, "--data", "live")
    assert monitor.json()["event"]["payload"] == "live"
    monitor.process.send_signal(signal.SIGINT)
    assert monitor.process.wait(20) == 0


def test_monitor_events_of_some_devices_of_all_partitions(hub):
    hub.cli("device", "simulate", "-d", "sim", "--devices", "20", "--da", "x", "--mc", "30", "--rate", "2000")
    shown = hub.cli("hub", "monitor-events", "-e", "0", "-t", "2").splitlines()
    assert len(shown) == 600
    origins = [json.loads(line)["event"]["origin"] for line in shown]
    assert {origins.count(f"sim-{number}") for number in range(1, 21)} == {30}
    assert len(hub.cli("hub", "monitor-events", "-e", "0", "-t", "2", "-d", "sim-1?").splitlines()) == 300


def test_monitor_events_goes_on_after_a_restart_of_the_hub(hub, device):
    monitor = watch(hub, "-e", "0")
    for body in ("before", "after"):
        hub.cli("device", "send-d2c-message", "-d", device.id, "--data", body)
        assert monitor.json()["event"]["payload"] == body
        if body == "before":
            hub.restart()
    monitor.stop()


def test_monitor_events_from_now_on_misses_none_of_a_restart(hub, device):
    """No partition has shown an event when the hub goes."""
    hub.cli("device", "send-d2c-message", "-d", device.id, "--data", "before")
    monitor = watch(hub, "--mc", "1")
    hub.wait_for_metric("linarite_event_receivers", 4)
    hub.stop()
    hub.start()
    hub.cli("device", "send-d2c-message", "-d", device.id, "--data", "while it was coming back")
    assert monitor.json()["event"]["payload"] == "while it was coming back"
    assert monitor.process.wait(20) == 0


def test_monitor_events_that_cannot_be(hub):
    done = hub.run("hub", "monitor-events", "-q", "SELECT * FROM devices", "--data", hub.data)
    assert done.returncode == 2 and "--device-query" in done.stderr
    done = hub.run("hub", "monitor-events", "--cg", "nobody", "--data", hub.data)
    assert done.returncode == 1 and "consumer group" in done.stderr
    weak = hub.connection_string("registryRead")
    assert hub.run("hub", "monitor-events", "--login", weak).returncode == 1


def test_version_and_health(hub):
    version = hub.run("version")
    assert version.returncode == 0 and version.stdout.strip()
    assert hub.run("health", "--data", hub.data).returncode == 0


def test_health_of_a_hub_that_is_gone(hub):
    hub.stop()
    done = hub.run("health", "--data", hub.data)
    assert done.returncode != 0
    assert len((done.stderr + done.stdout).strip().splitlines()) == 1


def test_the_clock_is_only_for_a_hub_that_asked(hub):
    with pytest.raises(CommandFailed):
        hub.advance("1m")


def test_run_needs_the_ca_of_a_hub(hub, tmp_path):
    done = hub.run("run", "--data", tmp_path / "nothing", "--", "true")
    assert done.returncode != 0
    done = hub.run("run", "--data", hub.data, "--", "sh", "-c", "exit 7")
    assert done.returncode == 7


def test_trust_names_files_that_are_there(hub):
    text = hub.cli("trust")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        assert name in text
        assert os.path.exists(os.environ[name])
        assert os.environ[name].startswith(str(hub.data))
