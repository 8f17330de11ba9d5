"""`linarite bench`: every scenario on a real hub, with few messages; how fast it is does not matter here."""

import json
import signal
import subprocess
import time

FEW = ("--devices", "6", "--messages", "60", "--window", "12")
SHORT = ("--devices", "6", "--seconds", "0.3", "--warm-up", "0.1")
# Scenario, flags, and its measurements with their loads.
RUNS = [
    ("c2d", FEW, {"c2d": ["c2d"]}),
    ("c2d", (*SHORT, "--rate", "100", "--senders", "2"), {"c2d": ["c2d"]}),
    ("c2d", (*FEW, "--websocket"), {"c2d": ["c2d"]}),
    ("c2d-offline", FEW, {"enqueue": ["c2d"], "drain": ["delivered"]}),
    ("telemetry", FEW, {"telemetry": ["telemetry"]}),
    ("telemetry", (*SHORT, "--readers", "0"), {"telemetry": ["telemetry"]}),
    ("connect", FEW, {"connect": ["connect"]}),
    ("idle", SHORT, {"connect": ["connect"], "idle": [], "one message each": ["c2d"]}),
    ("registry", FEW, {"put": ["put"], "get": ["get"]}),
    ("mixed", FEW, {"mixed": ["telemetry", "c2d", "get"]}),
]
MISTAKES = ("refused", "lost", "doubled", "changed", "misdirected", "disordered")


def no_devices_are_left(hub):
    return hub.cli_json("hub", "device-identity", "list") == []


def check_load(load, limited):
    assert load["count"] > 0
    assert [load[name] for name in MISTAKES] == [0] * len(MISTAKES)
    for latency in load["latency"].values():
        assert 0 < latency["p50_us"] <= latency["p99_us"] <= latency["max_us"]
    if limited:
        assert load["count"] == load["begun"]


def check_run(hub, scenario, flags, expected):
    figures = hub.cli_json("bench", scenario, *flags, "--json")
    assert figures["linarite"] and figures["machine"]["cores"] >= 1
    assert figures["server_pid"] == hub.process.pid
    assert figures["parameters"]["scenario"] == scenario
    assert (figures["mistake"], figures["interrupted"]) == (None, False)
    measured = {one["name"]: one for one in figures["measurements"]}
    assert {name: [load["name"] for load in one["loads"]] for name, one in measured.items()} == expected
    for one in measured.values():
        assert one["seconds"] > 0 and one["server"]["rss_after_bytes"] > 0
        for load in one["loads"]:
            check_load(load, "--messages" in flags)
    assert no_devices_are_left(hub)


def test_each_scenario(hub):
    for run in RUNS:
        check_run(hub, *run)


def test_it_measures_a_hub_by_its_connection_string(hub):
    login = hub.cli("hub", "connection-string", "show", "-o", "tsv")
    done = hub.run("bench", "telemetry", *FEW, "--login", login, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["server_pid"] is None
    assert figures["measurements"][0]["server"] is None
    assert figures["measurements"][0]["count"] == 60


def wait_until(done):
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connected_devices(hub):
    listed = hub.cli_json("hub", "device-identity", "list")
    return sum(one["connectionState"] == "Connected" for one in listed)


def start_bench(hub):
    words = [str(word) for word in hub.words("bench", "telemetry", "--devices", "4", "--seconds", "600", "--json")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: connected_devices(hub) == 4)
    return process


def test_ctrl_c_ends_it_and_removes_its_devices(hub):
    process = start_bench(hub)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(out)["interrupted"]
    assert no_devices_are_left(hub)


def test_clean_removes_what_a_killed_one_left(hub):
    process = start_bench(hub)
    process.kill()
    process.communicate()
    assert hub.cli_json("bench", "clean") == {"removed": 4}
    assert no_devices_are_left(hub)


def test_keep_keeps_the_devices(hub):
    hub.cli("bench", "connect", *FEW, "--keep")
    listed = hub.cli_json("hub", "device-identity", "list")
    assert sorted(one["deviceId"] for one in listed) == [f"linarite-bench-1-{n}" for n in range(1, 7)]
    assert hub.cli_json("bench", "clean") == {"removed": 6}
