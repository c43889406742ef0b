"""The Runtime API, by which a function's process asks for events and answers them.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import dataclasses
import http.client
import json
import queue
import sys
import threading
from concurrent.futures import Future, InvalidStateError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = "/2018-06-01/runtime/"

# Bytes of an answer that is not streamed.
# Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ANSWER_LIMIT = 6 * 1024 * 1024 + 100

# A streamed answer may be longer; the content type tells that it is one.
STREAM_LIMIT = 200 * 1024 * 1024
STREAM_TYPES = ("application/vnd.awslambda.http-integration-response", "application/octet-stream")

ERROR_TYPE_TRAILER = "Lambda-Runtime-Function-Error-Type"


@dataclasses.dataclass(frozen=True)
class Invocation:
    """One event on its way to the function."""

    request_id: str
    function_arn: str
    deadline_ms: int
    trace_id: str
    payload: bytes


@dataclasses.dataclass(frozen=True)
class Answer:
    """What became of an invocation: the function's answer, or its error."""

    payload: bytes
    failed: bool = False


class ProcessEnded(Exception):
    """The process ended although something was expected of it."""


class InitFailed(Exception):
    """The function's runtime reported an error of its start. payload is that report."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


def error(kind: str, message: str) -> bytes:
    """An error as Lambda reports it."""
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


class RuntimeAPI:
    """Serves one process on a free port of 127.0.0.1, one invocation at a time.

    ready is done when the process asks for its first event. It fails with InitFailed or with
    ProcessEnded.
    """

    def __init__(self) -> None:
        self.ready: Future[None] = Future()
        self._events: queue.Queue[Invocation | None] = queue.Queue()
        self._lock = threading.Lock()
        self._running: tuple[str, Future[Answer]] | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """host:port, for AWS_LAMBDA_RUNTIME_API."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def offer(self, invocation: Invocation) -> Future[Answer]:
        """Hands an event to the process. The answer fails with ProcessEnded if the process ends."""
        answer: Future[Answer] = Future()
        with self._lock:
            self._running = (invocation.request_id, answer)
        self._events.put(invocation)
        return answer

    def end(self, cause: Exception) -> None:
        """Ends serving. Whatever is still waited for fails with the cause."""
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()
        _fail(self.ready, cause)
        with self._lock:
            running = self._running
        if running:
            _fail(running[1], cause)

    def next(self) -> Invocation | None:
        """Waits for an event; None when there will be no more."""
        if not self.ready.done():
            self.ready.set_result(None)
        invocation = self._events.get()
        if invocation is None:
            self._events.put(None)  # for whoever asks next
        return invocation

    def answered(self, request_id: str, answer: Answer) -> bool:
        """Takes the answer of the running invocation; false if it is another's, or a second one."""
        with self._lock:
            if not self._running or self._running[0] != request_id or self._running[1].done():
                return False
            self._running[1].set_result(answer)
            return True

    def init_failed(self, report: bytes) -> bool:
        """Takes the report of a start that failed; false if the process had started."""
        return _fail(self.ready, InitFailed(report))


def _fail(future: "Future[None] | Future[Answer]", cause: Exception) -> bool:
    try:
        future.set_exception(cause)
    except InvalidStateError:
        return False
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    api: RuntimeAPI

    def handle_error(self, request: object, client_address: object) -> None:
        """A process that is killed leaves its connections, which is no error here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Nobody wants to read every request."""

    def do_GET(self) -> None:
        if self.path != ROOT + "invocation/next":
            self._reply(404)
            return
        invocation = self.server.api.next()
        if invocation is None:
            self.close_connection = True
            return
        self._reply(
            200,
            invocation.payload,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        body, trailers = self._body()
        parts = self.path.removeprefix(ROOT).split("/")
        match parts:
            case ["invocation", request_id, "response"]:
                answer = self._answer(body, trailers)
                too_large = answer.failed and not trailers.get(ERROR_TYPE_TRAILER)
                self._take(request_id, answer, 413 if too_large else 202)
            case ["invocation", request_id, "error"]:
                self._take(request_id, Answer(body, failed=True), 202)
            case ["init", "error"]:
                self._reply(202 if self.server.api.init_failed(body) else 403, b'{"status":"OK"}')
            case _:
                self._reply(404)

    def _take(self, request_id: str, answer: Answer, status: int) -> None:
        if self.server.api.answered(request_id, answer):
            self._reply(status, b'{"status":"OK"}')
        else:
            self._reply(400, error("InvalidRequestID", f"{request_id} is not running"))

    def _answer(self, body: bytes, trailers: http.client.HTTPMessage) -> Answer:
        """The function's answer, which may fail after its beginning, or be too large."""
        if kind := trailers.get(ERROR_TYPE_TRAILER):
            return Answer(error(kind, "the function failed while it streamed its answer"), True)
        streamed = self.headers.get_content_type() in STREAM_TYPES
        limit = STREAM_LIMIT if streamed else ANSWER_LIMIT
        if len(body) > limit:
            message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
            return Answer(error("Function.ResponseSizeTooLarge", message), True)
        return Answer(body)

    def _body(self) -> tuple[bytes, http.client.HTTPMessage]:
        """The request's body, and the trailers that follow if it comes in chunks."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0)), http.client.HTTPMessage()
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(pieces), http.client.parse_headers(self.rfile)

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
