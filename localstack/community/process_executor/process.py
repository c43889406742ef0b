"""A function's process: how it starts, is watched and ends."""

import collections
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence

from process_executor.runtime_api import ProcessEnded, RuntimeAPI

# Lines of a function's output that are kept for Invoke's log.
KEPT_LINES = 10_000


class FunctionProcess:
    """A running process with a Runtime API of its own. It leads a process group."""

    def __init__(
        self,
        command: Sequence[str],
        folder: str,
        environment: Mapping[str, str],
        tell: Callable[[str], None],
    ) -> None:
        """Starts command in folder. tell gets each line of its output."""
        self.api = RuntimeAPI()
        self._tell = tell
        self._lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**environment, "AWS_LAMBDA_RUNTIME_API": self.api.address},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        except OSError:
            self.api.end(ProcessEnded("did not start"))
            raise
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        """Kills the process with all that it started, and waits until it is gone."""
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._watcher.join()

    def take_lines(self) -> list[str]:
        """What it has written since the last call."""
        taken = []
        while self._lines:
            taken.append(self._lines.popleft())
        return taken

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as output:
            for raw in output:
                line = raw.decode(errors="replace").rstrip("\n")
                self._lines.append(line)
                self._tell(line)

    def _watch(self) -> None:
        status = self._process.wait()
        self._reader.join(timeout=1)  # a grandchild may hold the output open
        self.api.end(ProcessEnded(_how(status)))


def _how(status: int) -> str:
    """How a process ended, in Lambda's words."""
    if status < 0:
        name = "killed" if status == -signal.SIGKILL else signal.Signals(-status).name
        return f"Runtime exited with error: signal: {name}"
    if status == 0:
        return "Runtime exited without providing a reason"
    return f"Runtime exited with error: exit status {status}"
