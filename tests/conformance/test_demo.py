"""`./dev demo` and `./dev demo cpp`: both play to their end, and fail when something is missing."""

import subprocess
import sys

import pytest

from hub import ROOT

DEMO = ROOT / "examples" / "demo.py"


def play(*arguments, **options):
    return subprocess.run([sys.executable, DEMO, *arguments], capture_output=True, text=True, timeout=100, **options)


@pytest.mark.parametrize("arguments", [(), ("cpp",)], ids=["python", "cpp"])
def test_the_demo_plays_to_its_end(arguments):
    done = play(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "two messages sent, received, acknowledged and reported back" in done.stdout
    shows_cpp = "device | Total messages received: 2" in done.stdout
    assert shows_cpp == ("cpp" in arguments)


def test_a_language_without_examples_is_named():
    done = play("cobol")
    assert done.returncode == 2
    assert "cobol" in done.stderr
