"""The readable form of a run: what docs/benchmarks.md shows between its markers."""

from servers import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- figures: written by ./dev bench --write -->"
END = "<!-- end of figures -->"
SERVICES_BEGIN = "<!-- figures of back ends: written by ./dev bench services --write -->"
SERVICES_END = "<!-- end of figures of back ends -->"
DEVICES_BEGIN = "<!-- figures of devices: written by ./dev bench devices --write -->"
DEVICES_END = "<!-- end of figures of devices -->"

# Scenario, field, factor to the unit, name with unit, and whether less is better.
ROWS = [
    ("downlink", "server_cpu_us", 1, "C2D, saturated: server CPU, us/message", True),
    ("downlink", "per_second", 1, "C2D, saturated: messages/s", False),
    ("downlink", "delivered_p50_us", 1e-3, "C2D, saturated: send to delivery, p50, ms", True),
    ("downlink", "delivered_p99_us", 1e-3, "C2D, saturated: send to delivery, p99, ms", True),
    ("downlink", "accepted_p50_us", 1e-3, "C2D, saturated: send to accepted, p50, ms", True),
    ("downlink", "server_written_bytes_each", 1, "C2D, saturated: bytes to disk/message", True),
    ("downlink", "server_rss_bytes", 1e-6, "C2D, saturated: RSS after the window, MB", True),
    ("paced", "server_cpu_us", 1, "{}/s: server CPU, us/message", True),
    ("paced", "delivered_p50_us", 1e-3, "{}/s: intended send to delivery, p50, ms", True),
    ("paced", "delivered_p99_us", 1e-3, "{}/s: intended send to delivery, p99, ms", True),
    ("ingest", "server_cpu_us", 1, "telemetry, nobody reads: server CPU, us/event", True),
    ("ingest", "per_second", 1, "telemetry, nobody reads: events/s", False),
    ("ingest", "acknowledged_p50_us", 1e-3, "telemetry, nobody reads: send to PUBACK, p50, ms", True),
    ("ingest", "acknowledged_p99_us", 1e-3, "telemetry, nobody reads: send to PUBACK, p99, ms", True),
    ("ingest", "server_written_bytes_each", 1, "telemetry, nobody reads: bytes to disk/event", True),
    ("websocket", "server_cpu_us", 1, "telemetry over WebSocket: server CPU, us/event", True),
    ("websocket", "cpu_ratio", 1, "telemetry over WebSocket / plain MQTT: server CPU, ratio", True),
    ("stalled reader", "cpu_ratio", 1, "telemetry beside a back end that takes nothing / without it: server CPU, ratio", True),
    ("fan-in", "server_cpu_us", 1, "telemetry to one reader: server CPU, us/event", True),
    ("fan-in", "per_second", 1, "telemetry to one reader: events/s", False),
    ("fan-in", "read_p50_us", 1e-3, "telemetry to one reader: send to reader, p50, ms", True),
    ("readback", "server_cpu_us", 1, "events read from the disk: server CPU, us/event", True),
    ("readback", "per_second", 1, "events read from the disk: events/s", False),
    ("readback", "server_rss_bytes", 1e-6, "events read from the disk: RSS at the end, MB", True),
    ("retention", "write_amplification", 1, "a log replaced some times: bytes written/bytes of events", True),
    ("retention", "data_bytes", 1e-6, "a log replaced some times: data folder at the end, MB", True),
    ("registry get", "server_cpu_us", 1, "GET of an identity: server CPU, us", True),
    ("registry get", "per_second", 1, "GET of an identity/s", False),
    ("registry get", "answered_p50_us", 1e-3, "GET of an identity, p50, ms", True),
    ("registry get", "answered_p99_us", 1e-3, "GET of an identity, p99, ms", True),
    ("registry put", "server_cpu_us", 1, "durable PUT of an identity: server CPU, us", True),
    ("registry put", "per_second", 1, "durable PUT of an identity/s", False),
    ("registry put", "answered_p50_us", 1e-3, "durable PUT of an identity, p50, ms", True),
    ("registry put", "answered_p99_us", 1e-3, "durable PUT of an identity, p99, ms", True),
    ("c2d offline", "server_cpu_us", 1, "message queued for an absent device: server CPU, us", True),
    ("c2d offline", "queued_per_second", 1, "messages queued for absent devices/s, alone", False),
    ("c2d offline", "rss_bytes_each", 1, "RSS for each queued message, bytes", True),
    ("c2d offline", "server_written_bytes_each", 1, "bytes to disk for each queued message", True),
    ("connect", "server_cpu_us", 1, "TLS 1.3 connect and CONNECT: server CPU, us", True),
    ("connect", "per_second", 1, "TLS 1.3 connect and CONNECT: connects/s", False),
    ("idle", "bytes_each", 1e-3, "idle connection with session and subscription: RSS, KB", True),
    ("start empty", "start_s", 1e3, "start to ready, empty store, ms", True),
    ("start empty", "start_cpu_s", 1e3, "CPU of that start, ms", True),
    ("start empty", "rss_bytes", 1e-6, "RSS one second after it, MB", True),
    ("fill", "created_per_second", 1, "identities created over REST/s", False),
    ("fill", "queued_per_second", 1, "messages queued for absent devices/s", False),
    ("start full", "start_s", 1, "start to ready, full store, s", True),
    ("start after kill -9", "start_s", 1, "start to ready, full store, after kill -9, s", True),
    ("start full", "start_cpu_s", 1, "CPU of a start with a full store, s", True),
    ("start full", "rss_bytes", 1e-6, "RSS one second after it, MB", True),
    ("size", "program_bytes", 1e-6, "the program, stripped, MB", True),
]

# What a process of devices costs; the columns are client libraries.
DEVICE_LIBRARIES = ("Linarite SDK", "Paho C++")
DEVICE_ROWS = [
    ("devices downlink", "library_cpu_us", 1, "receive and acknowledge at QoS 1: client CPU, us/message"),
    ("devices downlink", "per_second", 1, "received/s"),
    ("devices idle", "bytes_each", 1e-3, "RSS of a connected client, KB"),
    ("devices idle", "connect_cpu_us", 1, "connect and subscribe: client CPU, us"),
    ("devices idle", "connect_seconds", 1, "connecting the clients between the two counts, s"),
]

# The same of a back end.
SERVICE_LIBRARIES = ("Linarite SDK", "Proton C++")
SERVICE_ROWS = [
    ("services downlink", "library_cpu_us", 1, "send until accepted: client CPU, us/message"),
    ("services downlink", "per_second", 1, "accepted/s"),
    ("services idle", "bytes_each", 1e-3, "RSS of a connected client, KB"),
    ("services idle", "connect_cpu_us", 1, "connect until there is credit: client CPU, us"),
]

# Scenario and field: the first bar, in the unit of the row.
BARS = {
    ("downlink", "server_cpu_us"): 20,
    ("downlink", "per_second"): 20_000,
    ("ingest", "server_cpu_us"): 9.2,
    ("websocket", "cpu_ratio"): 1.2,
    ("stalled reader", "cpu_ratio"): 1.05,
    ("fan-in", "server_cpu_us"): 10,
    ("retention", "write_amplification"): 1.3,
    ("readback", "server_cpu_us"): 1,
    ("readback", "per_second"): 1_000_000,
    ("idle", "bytes_each"): 20,
    ("start empty", "start_s"): 100,
    ("start full", "start_s"): 2,
    ("start after kill -9", "start_s"): 2,
}


def short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def best_and_range(values, less_is_better):
    """The best pass first, and in brackets the other end."""
    best, worst = (min(values), max(values)) if less_is_better else (max(values), min(values))
    return short(best) if len(values) == 1 else f"{short(best)} ({short(worst)})"


def values_of(results, scenario, server, field, factor):
    return [
        result[field] * factor
        for result in results
        if result["scenario"] == scenario and result["server"] == server and field in result
    ]


def judged(bar, ours, less_is_better):
    if bar is None:
        return ""
    best = min(ours) if less_is_better else max(ours)
    reached = best <= bar if less_is_better else best >= bar
    return f"{'at most' if less_is_better else 'at least'} {short(bar)}: {'reached' if reached else '**not reached**'}"


def ratio(ours, theirs, less_is_better):
    if not ours or not theirs:
        return ""
    best = min if less_is_better else max
    return f"{best(ours) / best(theirs):.2f}" if best(theirs) else ""


def expand(results):
    """ROWS, with one row for each rate of the paced runs."""
    rates = sorted({r["scenario"] for r in results if r["scenario"].startswith("paced ")}, key=lambda s: int(s[6:]))
    for scenario, field, factor, name, less in ROWS:
        if scenario != "paced":
            yield scenario, field, factor, name, less
            continue
        for paced in rates:
            yield paced, field, factor, "C2D, paced at " + name.format(f"{int(paced[6:]):,}"), less


def table(results):
    servers = list(dict.fromkeys(result["server"] for result in results))
    peers = [server for server in servers if server != "Linarite"]
    lines = [
        "| Figure | Linarite | First bar | " + "".join(f"{peer} | " for peer in peers) + "ratio |",
        "| --- | --- | --- | " + "--- | " * len(peers) + "--- |",
    ]
    for scenario, field, factor, name, less in expand(results):
        ours = values_of(results, scenario, "Linarite", field, factor)
        if not ours:
            continue
        if field == "cpu_ratio":  # A quotient has no best pass.
            shown = f"{short(median(ours))} ({short(min(ours))} to {short(max(ours))})"
            lines.append(f"| {name} | {shown} | {judged(BARS[scenario, field], [median(ours)], less)} |" + " |" * (len(peers) + 1))
            continue
        theirs = [values_of(results, scenario, peer, field, factor) for peer in peers]
        cells = [name, best_and_range(ours, less), judged(BARS.get((scenario, field)), ours, less)]
        cells += [best_and_range(values, less) if values else "" for values in theirs]
        cells.append(ratio(ours, theirs[0] if theirs else [], less))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def median(values):
    return sorted(values)[len(values) // 2]


def library_table(results, libraries, rows):
    """Ours beside the peer, with the median of the passes; empty if the scenario was not run."""
    lines = [f"| Figure | {' | '.join(libraries)} | ratio |", "| --- | --- | --- | --- |"]
    for scenario, field, factor, name in rows:
        cells = [values_of(results, scenario, library, field, factor) for library in libraries]
        if not all(cells):
            return ""
        ours, theirs = map(median, cells)
        shown = [f"{short(median(c))} ({short(min(c))} to {short(max(c))})" for c in cells]
        lines.append(f"| {name} | {shown[0]} | {shown[1]} | {ours / theirs:.2f} |")
    return "\n".join(lines)


def span(results, field):
    values = [result[field] for result in results if field in result]
    return f"{short(min(values))} to {short(max(values))}" if values else "not measured"


def text(run):
    machine, arguments, results = run["machine"], run["arguments"], run["results"]
    shared = "; **server and load shared one core**" if machine["same_core"] else ""
    return "\n".join(
        [
            f"{machine['date']}, commit {machine['commit']}, {machine['cpu']}, Linux {machine['kernel']}, beside"
            f" {machine['peer']}{shared}.",
            f"{arguments['repeat']} passes of {arguments['seconds']:g} s after {arguments['warm_up']:g} s;"
            f" {arguments['devices']} devices, {arguments['window']} messages under way, at most"
            f" {arguments['depth']} for one device, {arguments['payload']} bytes, {arguments['senders']} back ends.",
            f"During the runs: load average {span(results, 'load_average')} (server and load are 2 of it), other"
            f" processes {span(results, 'others_cpu_percent')} % of one core, hub_load"
            f" {span([r for r in results if r['scenario'] == 'downlink'], 'load_cpu_percent')} % of its core"
            " when saturated.",
            "",
            table(results),
        ]
    )


def library_text(run, libraries, rows):
    machine, arguments, results = run["machine"], run["arguments"], run["results"]
    figures = library_table(results, libraries, rows)
    results = [r for r in results if r["scenario"] in {row[0] for row in rows}]
    if not figures:
        return ""
    return (
        f"{machine['date']}, commit {machine['commit']}, {machine['cpu']}, Linux {machine['kernel']}."
        f" {arguments['repeat']} passes of {arguments['seconds']:g} s, median and range; other processes took"
        f" {span(results, 'others_cpu_percent')} % of one core meanwhile, load average {span(results, 'load_average')}."
        f"\n\n{figures}"
    )


def write(figures, begin=BEGIN, end=END):
    document = DOCUMENT.read_text(encoding="utf-8")
    before, rest = document.split(begin, 1)
    after = rest.split(end, 1)[1]
    DOCUMENT.write_text(f"{before}{begin}\n{figures}\n{end}{after}", encoding="utf-8")
