"""Runs a program so that nothing of it stays behind, however it or its starter ends.

    python supervise.py PROGRAM [ARGUMENT …]

The program ends with its standard input: the supervisor's is a pipe that the starter holds open,
and which the kernel closes when the starter dies. Then, on SIGTERM or SIGINT, and when the program
has ended by itself, all of its descendants are asked to end (SIGTERM), and killed after a deadline.
The supervisor adopts those whose parents have gone (PR_SET_CHILD_SUBREAPER), so it finds them all,
in whatever process group or session they are. It needs Linux and Python's standard library only.
"""

from __future__ import annotations  # for Python 3.9

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType

# Source: prctl(2)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# Seconds that descendants have to end by themselves.
GRACE = 5.0


def main(command: list[str]) -> int:
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    asked, ask = os.pipe()

    def end(_signal: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(ask, b"x")

    os.set_blocking(ask, False)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C comes to the supervisor alone
        preexec_fn=die_with_parent,  # noqa: PLW1509 (there are no threads here)
    )
    gone = os.pidfd_open(program.pid)
    wait_for_any(gone, asked, sys.stdin.fileno())
    status = program.poll()
    end_all()
    return status if status is not None else 0


def wait_for_any(gone: int, asked: int, starter: int) -> None:
    """Returns when the program has ended, a signal came, or the starter is no more."""
    while True:
        ready, _, _ = select.select([gone, asked, starter], [], [])
        if ready != [starter] or not os.read(starter, 4096):
            return


def end_all() -> None:
    """Ends all descendants: with SIGTERM, and with SIGKILL those that are left."""
    send_all(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        if not reap():
            return
        time.sleep(0.02)
    while reap():
        send_all(signal.SIGKILL)
        time.sleep(0.02)


def reap() -> bool:
    """Takes note of children that have ended; false if there are none left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def send_all(number: signal.Signals) -> None:
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants(ancestor: int) -> list[int]:
    """All processes below one, by what /proc says now."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
                parent = int(stat.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    waiting = list(children.get(ancestor, []))
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def die_with_parent() -> None:
    """Has the kernel kill this process when the thread that started it ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
