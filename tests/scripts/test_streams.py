"""Our standard streams: whatever the caller has closed is open."""

import subprocess
import sys

import pytest

_PROGRAM = """
import os, subprocess, sys
from scripts.streams import make_whole
make_whole()
kept = [os.fstat(number).st_rdev for number in range(3)]
nowhere = os.stat(os.devnull).st_rdev
print("ours")
sys.stdout.flush()
child = subprocess.run(["sh", "-c", "cat && echo theirs && echo theirs >&2"])
with open(sys.argv[1], "w") as file:
    print(*(number == nowhere for number in kept), child.returncode, file.fileno() > 2, file=file)
"""


@pytest.mark.parametrize(
    ("closed", "found"),
    [
        (">&-", "True True False 0 True"),
        ("2>&-", "True False True 0 True"),
        ("<&- >&- 2>&-", "True True True 0 True"),
        ("", "True False False 0 True"),
    ],
)
def test_what_is_closed_is_open_to_nowhere(tmp_path_factory: pytest.TempPathFactory, closed: str, found: str) -> None:
    """For us and for those whom we start; no file takes its place, and what is open stays as it is."""
    file = tmp_path_factory.mktemp("streams") / "found"
    line = f'exec "$0" -c "$1" {file} {closed}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, _PROGRAM], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (done.returncode, file.read_text()) == (0, f"{found}\n")
    assert done.stdout == (b"" if ">&-" in closed.replace("2>&-", "") else b"ours\ntheirs\n")
    assert done.stderr == (b"" if "2>&-" in closed else b"theirs\n")
