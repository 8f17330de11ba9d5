"""The real program as a test drives it: start, stop, kill, command line, trust, clock."""

import base64
import ctypes
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("LINARITE_PROGRAM", ROOT / "build" / "linarite"))
NODE_FOLDER = pathlib.Path(__file__).resolve().parent / "node"
HOST = "127.0.0.1"
API = "api-version=2021-04-12"
START_S = 20
STOP_S = 20


class CommandFailed(AssertionError):
    def __init__(self, done):
        super().__init__(f"{' '.join(map(str, done.args))} ended with {done.returncode}: {done.stderr.strip()}")
        self.status = done.returncode
        self.stderr = done.stderr


def die_with_parent():
    """In a new process: the kernel kills it when the test that started it dies, however that happens."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    # What a shell runs in the background ignores Ctrl-C, and so would everything that it starts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def parse(connection_string):
    return dict(pair.split("=", 1) for pair in connection_string.split(";"))


def sas_token(resource, key, lifetime_s=3600, policy=None, now=None):
    """A token as the documentation of the original makes it: resource URI-encoded, then signed."""
    encoded = urllib.parse.quote(resource, safe="")
    expiry = str(int((now or time.time()) + lifetime_s))
    digest = hmac.new(base64.b64decode(key), f"{encoded}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(digest), safe="")
    token = f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}"
    return f"{token}&skn={policy}" if policy else token


class Answer:
    """An HTTP answer, with its body as bytes and, where it has one, as JSON."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The name in {"Message": "ErrorCode:Name;text"}, which must be the one in the header."""
        code = self.json["Message"].split(";", 1)[0]
        assert code.startswith("ErrorCode:"), self.body
        name = code.removeprefix("ErrorCode:")
        assert self.headers["iothub-errorcode"] == name
        assert self.json["ExceptionMessage"].startswith("Tracking ID:"), self.body
        return name


class Device:
    """An identity that the command line created."""

    def __init__(self, hub, identity, connection_string):
        self.hub = hub
        self.id = identity["deviceId"]
        self.identity = identity
        self.connection_string = connection_string
        self.key = identity["authentication"]["symmetricKey"]["primaryKey"]

    def token(self, **options):
        return sas_token(f"{HOST}/devices/{self.id}", self.key, **options)


class Hub:
    def __init__(self, data, folder):
        self.data = pathlib.Path(data)
        self.log_path = pathlib.Path(folder) / f"{self.data.name}.log"
        self.process = None
        self.flags = ()

    # --- life -------------------------------------------------------------------------------------

    def start(self, *flags):
        assert PROGRAM.exists(), f"{PROGRAM} is not built"
        self.flags = flags
        with open(self.log_path, "ab") as log:
            command = [PROGRAM, "serve", "--data", self.data, *flags]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
            )
        deadline = time.monotonic() + START_S
        while not self.is_ready():
            assert self.process.poll() is None, f"serve ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"not ready within {START_S} s:\n{self.log()}"
            time.sleep(0.01)

    def is_ready(self):
        try:
            return self.admin("/readyz").status == 200
        except OSError:
            return False

    def stop(self):
        """As an operator does it; the program must end clean."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(STOP_S) == 0, self.log()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_S)

    def restart(self):
        self.stop()
        self.start(*self.flags)

    def restart_after_kill(self):
        self.kill()
        self.start(*self.flags)

    def log(self):
        return self.log_path.read_text(errors="replace")

    # --- command line -----------------------------------------------------------------------------

    def run(self, *words, stdin=None):
        command = [str(word) for word in (PROGRAM, *words)]
        return subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=60)

    def cli(self, *words):
        """What a command printed, without its last line end."""
        done = self.run(*words, "--data", self.data)
        if done.returncode != 0:
            raise CommandFailed(done)
        return done.stdout.rstrip("\n")

    def words(self, *words):
        """The words of a command of this hub, for start_client()."""
        return (PROGRAM, *words, "--data", self.data)

    def cli_json(self, *words):
        return json.loads(self.cli(*words))

    def advance(self, time_span):
        self.cli("clock", "advance", time_span)

    def create_device(self, name):
        identity = self.cli_json("hub", "device-identity", "create", "-d", name)
        words = ("hub", "device-identity", "connection-string", "show", "-d", name, "-o", "tsv")
        return Device(self, identity, self.cli(*words))

    def connection_string(self, policy="service"):
        return self.cli("hub", "connection-string", "show", "--policy-name", policy, "-o", "tsv")

    def event_hub_string(self, *flags, policy="service"):
        """The connection string for Event Hubs clients."""
        words = ("hub", "connection-string", "show", "--policy-name", policy, "-o", "tsv", "--eh")
        return self.cli(*words, *flags)

    def policy_token(self, policy="service", **options):
        parts = parse(self.connection_string(policy))
        return sas_token(HOST, parts["SharedAccessKey"], policy=policy, **options)

    # --- clients ----------------------------------------------------------------------------------

    def trust_environment(self):
        """What `linarite run` sets for a command."""
        show = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
        done = self.run("run", "--data", self.data, "--", *show)
        assert done.returncode == 0, done.stderr
        after = json.loads(done.stdout)
        return {name: value for name, value in after.items() if os.environ.get(name) != value}

    def trust_here(self):
        os.environ.update(self.trust_environment())

    def start_client(self, *command, **options):
        """A client program under `linarite run`, its output lines in a Client."""
        return Client([PROGRAM, "run", "--data", self.data, "--", *command], **options)

    def node(self, script, *arguments):
        return self.start_client("node", NODE_FOLDER / script, *arguments)

    def rest(self, method, path, body=None, policy="iothubowner", token=None, headers=None):
        """One request over HTTPS; a dict as body is sent as JSON."""
        headers = dict(headers or {})
        if token is None:
            token = self.policy_token(policy)
        if token:
            headers["Authorization"] = token
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json; charset=utf-8")
        if "api-version=" not in path:
            path += ("&" if "?" in path else "?") + API
        connection = http.client.HTTPSConnection(HOST, 443, timeout=20, context=ssl.create_default_context())
        try:
            connection.request(method, path, body=body, headers=headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def admin(self, path):
        connection = http.client.HTTPConnection(HOST, 5300, timeout=5)
        try:
            connection.request("GET", path)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def wait_for_metric(self, name, value):
        """Until the hub's own figure says so: what no client is told of."""
        line = f"{name} {value}\n".encode()
        deadline = time.monotonic() + START_S
        while line not in self.admin("/metrics").body:
            assert time.monotonic() < deadline, f"{name} is not {value}"
            time.sleep(0.01)


class Client:
    """A running client program: lines out, often of JSON, and lines in."""

    def __init__(self, command, env=None, stdin=False):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            text=True,
            cwd=NODE_FOLDER,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            preexec_fn=die_with_parent,
        )

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise AssertionError(f"the client ended with {self.process.wait()}: {self.error_text()}")
        return text.rstrip("\n")

    def json(self):
        return json.loads(self.line())

    def send(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read()

    def finish(self, status=0):
        """Waits for its end and returns what it still printed, as lines."""
        out = self.process.stdout.read()
        got = self.process.wait(timeout=60)
        assert got == status, f"ended with {got}: {out}{self.error_text()}"
        return out.splitlines()

    def stop(self):
        self.process.kill()
        self.process.wait()
