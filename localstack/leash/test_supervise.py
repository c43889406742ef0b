"""Nothing stays behind, whoever is killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import supervise

# A program with a child in a session of its own, whose child has no parent any more, and one that
# ignores SIGTERM.
PROGRAM = """
import os, signal, subprocess, sys, time
def note(name, pid):
    with open(os.path.join(sys.argv[1], name + ".part"), "w") as f: f.write(str(pid))
    os.rename(os.path.join(sys.argv[1], name + ".part"), os.path.join(sys.argv[1], name))
note("program", os.getpid())
note("session", subprocess.Popen(["sleep", "60"], start_new_session=True).pid)
orphan = subprocess.run(["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"], capture_output=True)
note("orphan", int(orphan.stdout))
note("deaf", subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"]).pid)
time.sleep(float(sys.argv[2]))
"""
NAMES = ("program", "session", "orphan", "deaf")


class SuperviseTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start(self, seconds: float = 60) -> subprocess.Popen[bytes]:
        started = subprocess.Popen(
            [
                sys.executable,
                supervise.__file__,
                sys.executable,
                "-c",
                PROGRAM,
                str(self.folder),
                str(seconds),
            ],
            stdin=subprocess.PIPE,
        )
        assert started.stdin
        self.addCleanup(started.stdin.close)
        self.addCleanup(started.wait)
        self.addCleanup(started.kill)
        while not all((self.folder / name).exists() for name in NAMES):
            time.sleep(0.01)
        return started

    def all_gone(self) -> None:
        for name in NAMES:
            self.assertTrue(gone(int((self.folder / name).read_text())), f"{name} runs on")

    def test_starter_dies(self) -> None:
        started = self.start()
        assert started.stdin
        started.stdin.close()
        self.assertEqual(started.wait(timeout=20), 0)
        self.all_gone()

    def test_program_is_asked_to_end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            started = self.start()
            started.send_signal(number)
            self.assertEqual(started.wait(timeout=20), 0)
            self.all_gone()
            for name in NAMES:
                (self.folder / name).unlink()

    def test_program_is_killed(self) -> None:
        started = self.start()
        os.kill(int((self.folder / "program").read_text()), signal.SIGKILL)
        self.assertEqual(started.wait(timeout=20), -signal.SIGKILL % 256)
        self.all_gone()

    def test_program_ends_by_itself(self) -> None:
        started = self.start(seconds=0.1)
        self.assertEqual(started.wait(timeout=20), 0)
        self.all_gone()


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has taken note of counts as such."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return False


if __name__ == "__main__":
    unittest.main()
