"""`linarite store check`: what it says of a store, and what it takes out of a damaged one."""

import json

from hub import Hub

CHECK = ("store", "check", "--data")


def tables(data):
    return sorted((data / "store" / "rocksdb").glob("*.sst"))


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def looked(hub, *flags):
    return json.loads(hub.run(*CHECK, hub.data, "-o", "json", *flags).stdout)


def test_a_sound_store_is_counted(hub, device):
    hub.cli("device", "c2d-message", "send", "-d", device.id, "--da", "x")
    hub.cli("device", "send-d2c-message", "-d", device.id, "--da", "x")
    hub.stop()
    shown = hub.run(*CHECK, hub.data)
    assert shown.returncode == 0, shown.stderr
    assert "the store is sound" in shown.stdout
    found = looked(hub)
    counts = [found[name] for name in ("identities", "queuedMessages", "policies", "events", "damage")]
    assert counts == [1, 1, 5, 1, []]
    # A sound store is left alone.
    assert hub.run(*CHECK, hub.data, "--salvage").returncode == 0
    assert not hub.data.with_name(hub.data.name + ".salvaged").exists()


def test_what_cannot_be_looked_at(hub, tmp_path):
    running = hub.run(*CHECK, hub.data)
    assert (running.returncode, "stop it first" in running.stderr) == (2, True)
    nothing = hub.run(*CHECK, tmp_path / "nothing")
    assert (nothing.returncode, "holds no store" in nothing.stderr) == (2, True)


def test_a_damaged_store_is_salvaged_with_its_devices_disabled(hub, device, tmp_path):
    owner = hub.connection_string("iothubowner")
    hub.cli("device", "c2d-message", "send", "-d", device.id, "--da", "x")
    hub.stop()
    for table in tables(hub.data):
        flip(table)
    before = {path: path.read_bytes() for path in hub.data.rglob("*") if path.is_file()}
    damaged = hub.run(*CHECK, hub.data)
    assert damaged.returncode == 1, damaged.stderr
    assert "damaged: rocksdb/" in damaged.stdout
    to = tmp_path / "salvaged"
    done = hub.run(*CHECK, hub.data, "--salvage", "--to", to)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in hub.data.rglob("*") if path.is_file()} == before
    assert json.loads((to / "salvage-report.json").read_text())["salvage"]["recordsCertain"] is False
    # Twice is refused: what is there might be in use.
    assert hub.run(*CHECK, hub.data, "--salvage", "--to", to).returncode == 2

    salvaged = Hub(to, tmp_path)
    assert looked(salvaged)["sound"]
    salvaged.start(*hub.flags)
    try:
        assert salvaged.connection_string("iothubowner") != owner
        for one in salvaged.cli_json("hub", "device-identity", "list"):
            assert one["status"] == "disabled"
        salvaged.create_device("another")
    finally:
        salvaged.stop()
