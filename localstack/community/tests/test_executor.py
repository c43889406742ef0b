"""The executor's own tests: real processes that speak the Runtime API, without LocalStack's server."""

import json
import os
import signal
import stat
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult

from process_executor.executor import ProcessRuntimeExecutor

# A function in the language at hand. Its events say what it does.
BOOTSTRAP = f"""#!{sys.executable}
import http.client, json, os, signal, sys, time

def call(method, path, body=None, headers={{}}):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = connection.getresponse()
    return answer, answer.read()

print("starts", flush=True)
START
while True:
    answer, event = call("GET", "invocation/next")
    if answer.status != 200:
        sys.exit(1)
    id, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(event)
    print("works on", event, flush=True)
    if event.get("sleep"):
        time.sleep(event["sleep"])
    if event.get("exit") is not None:
        os._exit(event["exit"])
    if event.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if event.get("fail"):
        call("POST", "invocation/" + id + "/error", json.dumps({{"errorMessage": event["fail"]}}))
    elif event.get("large"):
        call("POST", "invocation/" + id + "/response", b"x" * event["large"])
    elif event.get("chunks"):
        trailers = "".join(event.get("trailers", []))
        body = "".join(f"{{len(c):x}}\\r\\n{{c}}\\r\\n" for c in event["chunks"])
        body += "0\\r\\n" + trailers + "\\r\\n"
        connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        connection.putrequest("POST", "/2018-06-01/runtime/invocation/" + id + "/response")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(body.encode())
        connection.getresponse().read()
    else:
        seen = {{name: answer.headers["Lambda-Runtime-" + name] for name in
            ("Deadline-Ms", "Invoked-Function-Arn", "Trace-Id")}}
        seen = {{"headers": seen, "environment": dict(os.environ), "pid": os.getpid(), "folder": os.getcwd()}}
        call("POST", "invocation/" + id + "/response", json.dumps({{"event": event, **seen}}))
"""


class ExecutorTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.started: list[ProcessRuntimeExecutor] = []
        self.addCleanup(self.stop_all)

    def stop_all(self) -> None:
        for made in self.started:
            made.stop()

    def executor(
        self, start: str = "", timeout: int = 30, runtime: str = "provided.al2023", **own: str
    ) -> ProcessRuntimeExecutor:
        bootstrap = self.folder / "bootstrap"
        bootstrap.write_text(BOOTSTRAP.replace("START", start))
        bootstrap.chmod(bootstrap.stat().st_mode | stat.S_IXUSR)
        version = SimpleNamespace(
            id=SimpleNamespace(function_name="talk", qualifier="$LATEST"),
            config=SimpleNamespace(
                code=SimpleNamespace(get_unzipped_code_location=lambda: self.folder),
                runtime=runtime,
                handler="app.handler",
                timeout=timeout,
                memory_size=128,
                environment=own,
            ),
        )
        made = ProcessRuntimeExecutor("e1", cast(FunctionVersion, version))
        self.started.append(made)
        return made

    def running(self, **how: Any) -> ProcessRuntimeExecutor:
        made = self.executor(**how)
        made.start(
            {"AWS_REGION": "us-east-1", "AWS_EXECUTION_ENV": "AWS_Lambda_rapid", "SIZE": cast(str, 128)}
        )
        return made

    def ask(self, made: ProcessRuntimeExecutor, **event: Any) -> InvocationResult:
        return made.invoke(
            {
                "invoke-id": "r1",
                "invoked-function-arn": "arn:f",
                "payload": json.dumps(event),
                "trace-id": "Root=1",
            }
        )

    def answer(self, made: ProcessRuntimeExecutor, **event: Any) -> Any:
        result = self.ask(made, **event)
        self.assertFalse(result.is_error, result.payload)
        return json.loads(result.payload or b"null")

    def error(self, made: ProcessRuntimeExecutor, **event: Any) -> Any:
        result = self.ask(made, **event)
        self.assertTrue(result.is_error, result.payload)
        return json.loads(result.payload or b"null")

    def test_event_and_answer(self) -> None:
        os.environ["FUNCTION_ENVIRONMENT_GIVEN"] = "to all"
        self.addCleanup(os.environ.pop, "FUNCTION_ENVIRONMENT_GIVEN")
        made = self.running(SIZE="own", PATH="/own")
        first, second = self.answer(made, n=1), self.answer(made, n=2)
        self.assertEqual([first["event"], second["event"]], [{"n": 1}, {"n": 2}])
        self.assertEqual(first["pid"], second["pid"])
        self.assertEqual(os.path.realpath(first["folder"]), os.path.realpath(self.folder))
        self.assertEqual(first["headers"]["Invoked-Function-Arn"], "arn:f")
        self.assertAlmostEqual(int(first["headers"]["Deadline-Ms"]) / 1000, time.time() + 30, delta=10)
        seen = first["environment"]
        self.assertEqual((seen["GIVEN"], seen["SIZE"], seen["PATH"]), ("to all", "own", "/own"))
        self.assertEqual(seen["LAMBDA_TASK_ROOT"], str(self.folder))
        self.assertNotIn("AWS_EXECUTION_ENV", seen)

    def test_log_is_the_invocations(self) -> None:
        made = self.running()
        for n in (1, 2):
            log = self.ask(made, n=n).logs or ""
            self.assertIn("START RequestId: r1 Version: $LATEST", log)
            self.assertIn("REPORT RequestId: r1", log)
            self.assertEqual("starts" in log, n == 1)

    def test_error_keeps_the_process(self) -> None:
        made = self.running()
        before = self.answer(made)["pid"]
        self.assertEqual(self.error(made, fail="no")["errorMessage"], "no")
        self.assertEqual(self.answer(made)["pid"], before)

    def test_crash_is_told_and_the_next_invocation_has_a_new_process(self) -> None:
        made = self.running()
        for event, how in (
            ({"exit": 3}, "exit status 3"),
            ({"kill": True}, "signal: killed"),
            ({"exit": 0}, "without providing a reason"),
        ):
            before = self.answer(made)["pid"]
            told = self.error(made, **event)
            self.assertEqual(told["errorType"], "Runtime.ExitError")
            self.assertRegex(told["errorMessage"], f"RequestId: r1 Error: .*{how}")
            self.assertNotEqual(self.answer(made)["pid"], before)

    def test_timeout_kills_the_process_and_its_children(self) -> None:
        made = self.running(
            start="open('child', 'w').write(str(os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '60')))",
            timeout=1,
        )
        child = int((self.folder / "child").read_text())
        before = self.answer(made)["pid"]
        began = time.monotonic()
        told = self.error(made, sleep=30)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(
            told,
            {
                "errorType": "Sandbox.Timedout",
                "errorMessage": "RequestId: r1 Error: Task timed out after 1.00 seconds",
            },
        )
        for pid in (before, child):
            self.assertTrue(gone(pid), f"{pid} runs on")
        self.assertNotEqual(self.answer(made)["pid"], before)

    def test_init_error_is_reported(self) -> None:
        for start, want in (
            (
                "call('POST', 'init/error', json.dumps({'errorMessage': 'no setting'})); time.sleep(60)",
                "no setting",
            ),
            ("sys.exit(7)", "exit status 7"),
        ):
            made = self.executor(start=start)
            with self.assertRaises(StatusErrorException) as raised:
                made.start({})
            self.assertIn(want, json.loads(raised.exception.payload)["errorMessage"])

    def test_init_error_after_a_crash_is_the_invocations(self) -> None:
        made = self.running(start="os.path.exists('once') and sys.exit(7); open('once', 'w')")
        self.error(made, exit=1)
        self.assertIn("exit status 7", self.error(made)["errorMessage"])

    def test_what_cannot_run_says_why(self) -> None:
        made = self.executor()
        (self.folder / "bootstrap").unlink()
        with self.assertRaises(StatusErrorException) as raised:
            made.start({})
        self.assertEqual(json.loads(raised.exception.payload)["errorType"], "Runtime.InvalidEntrypoint")
        with self.assertRaises(StatusErrorException) as raised:
            self.executor(runtime="nodejs22.x").start({})
        self.assertIn("nodejs22.x needs containers", json.loads(raised.exception.payload)["errorMessage"])

    def test_python_function(self) -> None:
        (self.folder / "app.py").write_text(
            "def handler(event, context):\n    return [event, context.invoked_function_arn]\n"
        )
        made = self.running(runtime="python3.13")
        self.assertEqual(self.answer(made, n=1), [{"n": 1}, "arn:f"])

    def test_start_that_takes_too_long_ends(self) -> None:
        patch = unittest.mock.patch("localstack.config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT", 1)
        patch.start()
        self.addCleanup(patch.stop)
        made = self.executor(start="open('pid', 'w').write(str(os.getpid())); time.sleep(60)")
        with self.assertRaises(StatusErrorException):
            made.start({})
        self.assertTrue(gone(int((self.folder / "pid").read_text())))

    def test_stop_ends_an_invocation_and_a_start(self) -> None:
        made = self.running()
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(self.ask, made, sleep=60)
            while not made._process or not made._process.take_lines():
                time.sleep(0.01)
            made.stop()
            self.assertTrue(asked.result(timeout=10).is_error)
        starting = self.executor(start="open('begun', 'w'); time.sleep(60)")
        with ThreadPoolExecutor() as pool:
            start = pool.submit(starting.start, {})
            while not (self.folder / "begun").exists():
                time.sleep(0.01)
            starting.stop()
            self.assertIsInstance(start.exception(timeout=10), StatusErrorException)

    def test_many_executors_at_once(self) -> None:
        executors = [self.running() for _ in range(8)]
        together = threading.Barrier(len(executors))

        def work(made: ProcessRuntimeExecutor) -> tuple[int, list[int]]:
            together.wait()
            answers = [self.answer(made, n=n, sleep=0.05) for n in range(5)]
            return answers[0]["pid"], [a["event"]["n"] for a in answers]

        with ThreadPoolExecutor(len(executors)) as pool:
            done = list(pool.map(work, executors))
        self.assertEqual(len({pid for pid, _ in done}), len(executors))
        self.assertEqual([order for _, order in done], [list(range(5))] * len(executors))

    def test_streamed_answers(self) -> None:
        made = self.running()
        self.assertEqual(self.ask(made, chunks=["one, ", "two"]).payload, b"one, two")
        late = self.error(made, chunks=["half"], trailers=["Lambda-Runtime-Function-Error-Type: Late\r\n"])
        self.assertEqual(late["errorType"], "Late")

    def test_answer_that_is_too_large(self) -> None:
        made = self.running()
        self.assertFalse(self.ask(made, large=6 * 1024 * 1024).is_error)
        self.assertEqual(
            self.error(made, large=7 * 1024 * 1024)["errorType"], "Function.ResponseSizeTooLarge"
        )


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
