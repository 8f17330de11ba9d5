"""The servers that are measured: ours, Debian's mosquitto and nginx and, where there is one, FlashMQ, each in a
folder of its own, on free ports, pinned to the server's core."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("LINARITE_PROGRAM", ROOT / "build" / "linarite"))
HUB_LOAD = ROOT / "build" / "hub_load"
HOST = "127.0.0.1"
START_LIMIT_S = 120
STOP_LIMIT_S = 60
LOAD_LIMIT_S = 900

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[-1]


class Failure(Exception):
    """A run that did not go as it must; there is then no figure."""


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def metric(admin_port, name):
    connection = http.client.HTTPConnection(HOST, admin_port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


def resident_bytes(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def written_bytes(pid):
    """What the process handed to the disk."""
    lines = pathlib.Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def cpu_seconds(pid):
    """User and system time of all threads: fields 14 and 15 of proc(5)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, name, folder):
        self.name = name
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.settings = {}

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def load_options(self):
        """What tells hub_load about this server."""
        raise NotImplementedError

    def start(self):
        """Returns the seconds from the start of the program until it was ready."""
        begun = time.monotonic()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=pinned(SERVER_CORE),
                env={**os.environ, **self.settings},
            )
        while not self.is_ready():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > begun + START_LIMIT_S:
                raise Failure(f"{self.name} was not ready within {START_LIMIT_S} s:\n{self.log()}")
            time.sleep(0.0005)
        return time.monotonic() - begun

    def end(self, with_signal=signal.SIGTERM):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(with_signal)
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"{self.name} did not end within {STOP_LIMIT_S} s") from None

    def remove(self):
        self.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def load(self, scenario, program=HUB_LOAD, **options):
        """Runs hub_load, or another program with its options, on this server; returns what it measured."""
        words = [program, scenario, "--pid", self.process.pid, *self.load_options()]
        for name, value in options.items():
            words += ["--" + name.replace("_", "-"), value]
        done = subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            timeout=LOAD_LIMIT_S,
            preexec_fn=pinned(LOAD_CORE),
        )
        if done.returncode != 0:
            raise Failure(f"{scenario} on {self.name}: {done.stderr.strip()}\n{self.log()}")
        return json.loads(done.stdout)

    def tls(self, port):
        """Version, cipher and group that a default client gets, for the record."""
        command = ["openssl", "s_client", "-connect", f"{HOST}:{port}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
        found = re.search(r"New, (\S+), Cipher is (\S+)", done.stdout)
        group = re.search(r"Server Temp Key: (\w+)", done.stdout)
        return f"{found[1]} {found[2]} {group[1]}" if found and group else "not known"


class Linarite(Server):
    def __init__(self, folder):
        super().__init__("Linarite", folder)
        self.data = self.folder / "data"
        self.ports = {name: free_port() for name in ("mqtt", "amqp", "https", "admin")}

    def command(self):
        ports = [word for name, port in self.ports.items() for word in (f"--{name}-port", port)]
        return [PROGRAM, "serve", "--data", self.data, *ports]

    def is_ready(self):
        connection = http.client.HTTPConnection(HOST, self.ports["admin"], timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def file(self, name):
        """A file of its development CA."""
        return next(self.data.rglob(name))

    def connection_string(self):
        show = ["hub", "connection-string", "show", "--policy-name", "iothubowner", "-o", "tsv"]
        done = subprocess.run([PROGRAM, *show, "--data", self.data], capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise Failure(done.stderr)
        return done.stdout.strip()

    def metric(self, name):
        return metric(self.ports["admin"], name)

    def entity(self):
        """The name by which readers ask for events."""
        show = ["hub", "connection-string", "show", "--eh", "-o", "tsv", "--data", self.data]
        done = subprocess.run([PROGRAM, *show], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.strip().split("EntityPath=")[1].split(";")[0]

    def load_options(self):
        return [
            *("--entity", self.entity()),
            *("--connection-string", self.connection_string(), "--ca", self.file("ca.pem"), "--host", HOST),
            *("--mqtt-port", self.ports["mqtt"], "--amqp-port", self.ports["amqp"]),
            *("--https-port", self.ports["https"]),
        ]


class Peer(Server):
    """With TLS, with the certificate of `linarite`, that needs no name and no password."""

    def __init__(self, name, folder, linarite):
        super().__init__(name, folder)
        self.port = free_port()
        for file in ("ca.pem", "server-p256.pem", "server-p256.key"):
            shutil.copy(linarite.file(file), self.folder / file)
        self.config = self.folder / "server.conf"

    def is_ready(self):
        try:
            socket.create_connection((HOST, self.port), timeout=5).close()
            return True
        except OSError:
            return False

    def load_options(self):
        return ["--ca", self.folder / "ca.pem", "--host", HOST, "--mqtt-port", self.port]


def system_program(name):
    """Debian's; None if it is not installed."""
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


class Mosquitto(Peer):
    """With every limit that could slow it down lifted. Debian's, or a newer one at `program`."""

    def __init__(self, folder, linarite, persistence=False, program=None):
        name = "mosquitto 2.1, " if program else "mosquitto, "
        super().__init__(name + ("persistence" if persistence else "memory only"), folder, linarite)
        self.program = program
        self.config.write_text(
            f"""listener {self.port} {HOST}
user root
allow_anonymous true
certfile {self.folder}/server-p256.pem
keyfile {self.folder}/server-p256.key
tls_version tlsv1.3
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 0
persistence {"true" if persistence else "false"}
persistence_location {self.folder}/
log_dest stderr
log_type error
"""
        )

    def command(self):
        program = self.program or system_program("mosquitto")
        if program is None:
            raise Failure("mosquitto is not installed: ./dev setup")
        return [program, "-c", self.config]


class FlashMQ(Peer):
    """Built by whoever measures, one thread, memory only."""

    def __init__(self, program, folder, linarite):
        super().__init__("FlashMQ, memory only", folder, linarite)
        self.program = program
        self.config.write_text(
            f"""listen {{
  protocol mqtt
  inet_protocol ip4
  inet4_bind_address {HOST}
  port {self.port}
  fullchain {self.folder}/server-p256.pem
  privkey {self.folder}/server-p256.key
  minimum_tls_version tlsv1.3
  tcp_nodelay true
}}
thread_count 1
allow_anonymous true
zero_byte_username_is_anonymous true
max_qos_msg_pending_per_client 65535
max_qos_bytes_pending_per_client 104857600
log_level error
quiet true
log_file {self.folder}/broker.log
"""
        )

    def command(self):
        return [self.program, "--config-file", self.config]


class Nginx(Peer):
    """Serves identities as files, from its cache of open files; one process."""

    def __init__(self, program, folder, linarite, devices):
        super().__init__("nginx, files", folder, linarite)
        self.program = program
        files = self.folder / "devices"
        files.mkdir()
        identity = {"deviceId": "", "etag": "e1", "status": "enabled", "authentication": {"type": "sas"}}
        for number in range(devices):
            name = f"bench-{number:06}"
            text = json.dumps({**identity, "deviceId": name, "filling": "x" * 450})
            (files / name).write_text(text)
        self.config.write_text(
            f"""daemon off;
master_process off;
pid {self.folder}/pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  tcp_nodelay on;
  sendfile on;
  keepalive_requests 1000000000;
  open_file_cache max=100000;
  client_body_temp_path {self.folder}/t1; proxy_temp_path {self.folder}/t2; fastcgi_temp_path {self.folder}/t3;
  uwsgi_temp_path {self.folder}/t4; scgi_temp_path {self.folder}/t5;
  server {{
    listen {HOST}:{self.port} ssl;
    root {self.folder};
    ssl_certificate {self.folder}/server-p256.pem;
    ssl_certificate_key {self.folder}/server-p256.key;
    ssl_protocols TLSv1.3;
  }}
}}
"""
        )

    def command(self):
        return [self.program, "-p", self.folder, "-c", self.config, "-e", "stderr"]

    def load_options(self):
        return ["--ca", self.folder / "ca.pem", "--host", HOST, "--https-port", self.port]
