"""The executor: one of LocalStack's execution environments, as a process."""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as NotInTime
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from process_executor.process import FunctionProcess
from process_executor.runtime_api import Answer, InitFailed, Invocation, ProcessEnded, error

# A name below LocalStack's, whose level it sets.
LOG = logging.getLogger("localstack.functions")

# Variables of LocalStack's own environment that begin like this are given to every function,
# without the beginning. A function's own variables win.
GIVEN = "FUNCTION_ENVIRONMENT_"

# What functions see of LocalStack's own environment.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


class ProcessRuntimeExecutor(RuntimeExecutor):
    """Runs a function version as a process: provided.* by its bootstrap, python3.* by AWS's
    runtime client on LocalStack's own Python.

    LocalStack gives an executor one invocation at a time, and makes more executors for more.
    A process that crashes or runs out of time is replaced with the next invocation.
    """

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._environment: dict[str, str] = {}
        self._process: FunctionProcess | None = None
        self._stopped = False

    def start(self, env_vars: dict[str, str]) -> None:
        try:
            self._environment = environment(env_vars, self.function_version)
            self._begin()
        except InitFailed as failed:
            raise StatusErrorException("Environment startup failed", failed.payload) from failed

    def stop(self) -> None:
        self._stopped = True
        if self._process:
            self._process.end()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        request_id, began = payload["invoke-id"], time.monotonic()
        try:
            answer = self._run(payload)
        except InitFailed as failed:
            answer = Answer(failed.payload, failed=True)
        return InvocationResult(
            request_id, answer.payload, answer.failed, self._log(request_id, time.monotonic() - began)
        )

    def _run(self, payload: dict[str, str]) -> Answer:
        request_id, seconds = payload["invoke-id"], int(self.function_version.config.timeout)
        process = self._process
        if process is None or process.ended:
            process = self._begin()
        invocation = Invocation(
            request_id,
            payload["invoked-function-arn"],
            int((time.time() + seconds) * 1000),
            payload["trace-id"],
            payload["payload"].encode(),
        )
        try:
            return process.api.offer(invocation).result(timeout=seconds)
        except NotInTime:
            process.end()
            message = f"RequestId: {request_id} Error: Task timed out after {seconds}.00 seconds"
            return Answer(error("Sandbox.Timedout", message), failed=True)
        except ProcessEnded as how:
            return Answer(error("Runtime.ExitError", f"RequestId: {request_id} Error: {how}"), failed=True)

    def _begin(self) -> FunctionProcess:
        """Starts a process and waits until it is ready, for as long as LocalStack lets it start."""
        folder = code_folder(self.function_version)
        try:
            process = FunctionProcess(
                command(self.function_version, folder), str(folder), self._environment, self._tell
            )
        except OSError as cause:
            raise InitFailed(error("Runtime.InvalidEntrypoint", str(cause))) from cause
        self._process = process
        if self._stopped:  # while it was started
            process.end()
        try:
            process.api.ready.result(timeout=config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT)
        except ProcessEnded as how:
            raise InitFailed(error("Runtime.ExitError", f"Error: {how}")) from how
        except NotInTime as cause:
            process.end()
            raise InitFailed(error("Sandbox.Timedout", "Error: the runtime did not start in time")) from cause
        except InitFailed:
            process.end()
            raise
        return process

    def _tell(self, line: str) -> None:
        LOG.info("%s: %s", self.function_version.id.function_name, line)

    def _log(self, request_id: str, seconds: float) -> str:
        """The log of an invocation, as CloudWatch gets it."""
        return "\n".join(
            [
                f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}",
                *(self._process.take_lines() if self._process else []),
                f"END RequestId: {request_id}",
                f"REPORT RequestId: {request_id}\tDuration: {seconds * 1000:.2f} ms"
                f"\tMemory Size: {self.function_version.config.memory_size} MB\t\n",
            ]
        )

    def get_address(self) -> str:
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """Where functions find LocalStack: they run on the same machine."""
        host: str = config.GATEWAY_LISTEN[0].host
        return "127.0.0.1" if host == "0.0.0.0" else host

    def get_runtime_endpoint(self) -> str:
        return f"http://{self.get_endpoint_from_executor()}:{config.GATEWAY_LISTEN[0].port}"

    def get_logs(self) -> str:
        return "\n".join(self._process.take_lines()) if self._process else ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """The code is LocalStack's to remove."""

    @classmethod
    def validate_environment(cls) -> bool:
        return True


def environment(given: Mapping[str, object], version: FunctionVersion) -> dict[str, str]:
    """The variables of a function's process: LocalStack's for a container, where that differs."""
    own: dict[str, str] = version.config.environment or {}
    made = {name: os.environ[name] for name in INHERITED if name in os.environ}
    made |= {name: str(value) for name, value in given.items()}
    folder = str(code_folder(version))
    made |= {"LAMBDA_TASK_ROOT": folder, "LAMBDA_RUNTIME_DIR": folder, "TMPDIR": tempfile.gettempdir()}
    if (version.config.runtime or "").startswith("provided"):
        made.pop("AWS_EXECUTION_ENV", None)  # which AWS gives to its own runtimes only
    else:
        made["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{version.config.runtime}"
    made |= {name.removeprefix(GIVEN): value for name, value in os.environ.items() if name.startswith(GIVEN)}
    return made | {name: str(value) for name, value in own.items()}


def code_folder(version: FunctionVersion) -> Path:
    """Where the function's code is."""
    if version.config.code is None:
        raise InitFailed(error("Runtime.NotSupported", "a function of a container image needs containers"))
    return version.config.code.get_unzipped_code_location()


def command(version: FunctionVersion, folder: Path) -> list[str]:
    """What starts a function. The error says what does not run here."""
    runtime = version.config.runtime or ""
    if runtime.startswith("provided"):
        return [str(folder / "bootstrap")]
    if runtime.startswith("python3."):
        return [sys.executable, "-m", "awslambdaric", version.config.handler or ""]
    message = f"the runtime {runtime} needs containers; without them run provided.* and python3.*"
    raise InitFailed(error("Runtime.NotSupported", message))
