"""Each test runs in a process of its own, in a network namespace of its own.

The ports of the official SDKs are fixed (443, 5671, 8883), so two hubs can only run side by side when each
has its own loopback. A test that cannot have its namespace fails: it never passes unseen.
"""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest
from _pytest.runner import runtestprotocol

import hub as hub_module
from tutorial_folder import TUTORIAL

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
TEST_TIME_S = 120

collect_ignore = [] if TUTORIAL else ["test_tutorial.py"]


def pytest_report_header():
    return f"the tutorial's programs: {TUTORIAL or 'not on this machine, so test_tutorial.py is left out'}"


def unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter_own_network():
    """Moves this process, which has one thread, into a new network namespace with loopback up."""
    if os.geteuid() == 0:
        unshare(CLONE_NEWNET)
    else:
        user, group = os.geteuid(), os.getegid()
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, env={**os.environ, "PATH": path})


def run_in_child(item, report_path):
    """In the child: runs the test and writes its reports down."""
    try:
        hub_module.die_with_parent()
        os.setpgid(0, 0)
        enter_own_network()
        reports = runtestprotocol(item, nextitem=None, log=False)
        to_json = item.config.hook.pytest_report_to_serializable
        texts = [to_json(config=item.config, report=report) for report in reports]
        with open(report_path, "w", encoding="utf-8") as out:
            json.dump(texts, out)
        os._exit(0)
    except BaseException as error:  # The parent reports it; nothing may escape into its pytest.
        with open(report_path + ".error", "w", encoding="utf-8") as out:
            out.write(f"{type(error).__name__}: {error}")
        os._exit(1)


def wait_for(pid):
    """Waits for the child and kills its whole process group, with every program that the test left."""
    deadline = time.monotonic() + TEST_TIME_S
    while time.monotonic() < deadline:
        done, _ = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return "" if done else f"the test did not end within {TEST_TIME_S} s"


def failure_report(item, text):
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    with tempfile.TemporaryDirectory() as folder:
        report_path = os.path.join(folder, "reports")
        pid = os.fork()
        if pid == 0:
            run_in_child(item, report_path)
        problem = wait_for(pid)
        reports = []
        if os.path.exists(report_path):
            from_json = item.config.hook.pytest_report_from_serializable
            with open(report_path, encoding="utf-8") as texts:
                reports = [from_json(config=item.config, data=text) for text in json.load(texts)]
        if os.path.exists(report_path + ".error"):
            problem = pathlib.Path(report_path + ".error").read_text(encoding="utf-8")
    if problem or not reports:
        reports.append(failure_report(item, problem or "the test's process died"))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture
def new_hub(tmp_path):
    """Makes hubs: new_hub("--in-memory", ...) starts one on a data folder of its own."""
    hubs = []

    def make(*flags, data=None):
        hub = hub_module.Hub(data or tmp_path / f"data-{len(hubs)}", tmp_path)
        hubs.append(hub)
        hub.start(*flags)
        return hub

    yield make
    for hub in hubs:
        hub.kill()
        print(hub.log())  # Shown by pytest when the test failed.


@pytest.fixture
def hub(new_hub):
    """A hub as `linarite serve` starts it, with the SDKs of this process trusting it."""
    hub = new_hub()
    hub.trust_here()
    return hub


@pytest.fixture
def timed_hub(new_hub):
    """The same with a clock that only hub.advance() moves."""
    hub = new_hub("--clock", "manual")
    hub.trust_here()
    return hub


@pytest.fixture
def device(hub):
    return hub.create_device("sensor-1")
