"""The server: requests in, signatures checked, faults applied, operations run, answers out."""

import asyncio
import collections
import json
import ssl
import threading
import time
import traceback
import uuid
from dataclasses import dataclass
from email.utils import formatdate

from . import codec, operations
from .controls import Controls
from .errors import ServiceError
from .faults import Faults
from .http_protocol import Connection, Request
from .signature import AccessKey, verify
from .streams import ACCOUNT, Stream

TARGETS = {"Kinesis_20131202": ("kinesis", operations.KINESIS),
           "Firehose_20150804": ("firehose", operations.FIREHOSE)}
DEFAULT_KEY = AccessKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
REQUESTS_REMEMBERED = 20_000


@dataclass
class Context:
    now: float
    content_type: str
    request: int


class State:
    """Everything the service knows. Touched by the loop's thread only."""

    def __init__(self, region: str, keys: list[AccessKey], streams: dict[str, int], verify_signatures: bool):
        self.region = region
        self.regions = {region}
        self.keys = {key.id: key for key in keys}
        self.verify_signatures = verify_signatures
        self.clock_offset_s = 0.0
        self.max_body_bytes = 64 * 1024 * 1024
        self.cbor = True
        self.dry_run = True  # knows the field, as the service does since 2026
        self.faults = Faults()
        self.counters: collections.Counter = collections.Counter()
        self.requests: collections.deque = collections.deque(maxlen=REQUESTS_REMEMBERED)
        self.released = asyncio.Event()
        self.in_hand = 0
        self.streams = {name: Stream(name, shards, region, self.now()) for name, shards in streams.items()}

    def now(self) -> float:
        return time.time() + self.clock_offset_s

    def count(self, name: str, amount: int = 1) -> None:
        self.counters[name] += amount

    def stream(self, name: str, kind: str = "Stream") -> Stream:
        stream = self.streams.get(name)
        if stream is None:
            raise ServiceError("ResourceNotFoundException", f"{kind} {name} under account {ACCOUNT} not found.")
        return stream


class Server:
    def __init__(self, state: State):
        self.state = state
        self.controls = Controls(self)
        self.connections: set[Connection] = set()
        self._numbers = 0

    def new_connection(self) -> Connection:
        self._numbers += 1
        return Connection(self, self._numbers)

    async def serve(self, connection: Connection, request: Request) -> None:
        if request.target.startswith("/_control/"):
            self._control(connection, request)
            return
        self.state.in_hand += 1
        try:
            await self._serve_service(connection, request)
        except Exception:  # a bug of ours must not look like a hang
            traceback.print_exc()
            self.state.count("bugs")
            connection.transport.abort()
        finally:
            self.state.in_hand -= 1

    async def _serve_service(self, connection: Connection, request: Request) -> None:
        state = self.state
        state.count("requests")
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        context = Context(state.now(), content_type, state.counters["requests"])
        entry = {"number": context.request, "connection": connection.number, "at": context.now,
                 "content_type": content_type, "bytes": len(request.body)}
        state.requests.append(entry)
        service, operation, parsed = "kinesis", "", {}
        try:
            service, operation, run = self._target(request, content_type)
            entry["operation"] = operation
            if state.verify_signatures:
                key = verify(state.keys, state.regions, service, request.method, request.target,
                             request.headers, request.body, context.now)
                entry["key"] = key.id
            parsed = codec.decode(content_type, request.body)
            stream = _stream_name(parsed)
            entry["stream"] = stream
            entry["records"] = len(parsed["Records"]) if isinstance(parsed.get("Records"), list) else 0
            struck = state.faults.for_request(operation, stream, content_type, parsed)
            for fault in struck:
                if fault.effect == "delay_before":
                    await asyncio.sleep(fault.seconds)
            decisive = next((fault for fault in struck if not fault.effect.startswith("delay")), None)
            if decisive is not None and not await self._goes_on(connection, decisive, context, entry):
                return
            answer = run(state, parsed, context)
        except ServiceError as error:
            state.count(f"error.{error.code}")
            entry["error"] = error.code
            self._answer_error(connection, content_type, error)
            return
        for fault in struck:
            if fault.effect == "delay_after":
                await asyncio.sleep(fault.seconds)
        self._answer(connection, content_type, answer, entry, decisive)

    async def _goes_on(self, connection: Connection, fault, context: Context, entry: dict) -> bool:
        """Applies a fault that may stand in for the operation; true if the operation still runs."""
        state = self.state
        entry["fault"] = fault.effect
        if fault.effect == "hang":
            await state.released.wait()
            connection.transport.abort()
            return False
        if fault.effect == "reset_before":
            connection.reset()
            return False
        if fault.effect == "error":
            entry["error"] = fault.code
            state.count(f"error.{fault.code}")
            self._answer_fault(connection, context.content_type, fault)
            return False
        return True

    def _answer(self, connection: Connection, content_type: str, answer: dict, entry: dict, fault) -> None:
        effect = fault.effect if fault is not None else ""
        if effect == "reset_after":
            connection.reset()
            return
        if effect == "short_answer" and answer.get("Records"):
            answer["Records"].pop()
        body = codec.encode(content_type, answer)
        entry["failed"] = answer.get("FailedRecordCount", answer.get("FailedPutCount", 0))
        if effect == "truncate":
            connection.answer(200, self._headers(content_type), body, cut=len(body) // 2)
            connection.transport.close()
            return
        connection.answer(200, self._headers(content_type), body)

    def _target(self, request: Request, content_type: str):
        name, _, operation = request.headers.get("x-amz-target", "").partition(".")
        if content_type not in (codec.JSON, codec.CBOR) or (content_type == codec.CBOR and not self.state.cbor):
            raise ServiceError("UnknownOperationException", "", 404)
        if request.method != "POST" or name not in TARGETS:
            raise ServiceError("UnknownOperationException", "", 400)
        service, known = TARGETS[name]
        if operation not in known:
            raise ServiceError("UnknownOperationException", "", 400)
        return service, operation, known[operation]

    def _headers(self, content_type: str) -> dict[str, str]:
        request_id = str(uuid.uuid4())
        return {"x-amzn-RequestId": request_id, "x-amz-id-2": request_id,
                "Date": formatdate(self.state.now(), usegmt=True), "Content-Type": content_type}

    def _answer_error(self, connection: Connection, content_type: str, error: ServiceError,
                      extra: dict[str, str] | None = None) -> None:
        if content_type not in (codec.JSON, codec.CBOR):
            content_type = codec.JSON
        body = codec.encode(content_type, {"__type": error.code, "message": error.message})
        headers = {**self._headers(content_type), "x-amzn-ErrorType": error.code, **(extra or {})}
        connection.answer(error.status, headers, body)

    def _answer_fault(self, connection: Connection, content_type: str, fault) -> None:
        status = fault.status or (500 if fault.code in ("InternalFailure", "ServiceUnavailable") else 400)
        message = fault.message if fault.message is not None else f"{fault.code} on command"
        if fault.form == "service":
            self._answer_error(connection, content_type, ServiceError(fault.code, message, status), fault.headers)
            return
        if fault.form == "xml":
            kind, body = "text/xml", f"<ErrorResponse><{fault.code}>{message}</{fault.code}></ErrorResponse>"
        elif fault.form == "html":
            kind, body = "text/html", f"<html><body><h1>{status} {message}</h1></body></html>"
        else:
            kind, body = "text/plain", ""
        connection.answer(status, {**self._headers(kind), **fault.headers}, body.encode())

    def _control(self, connection: Connection, request: Request) -> None:
        name = request.target.removeprefix("/_control/").partition("?")[0]
        try:
            arguments = json.loads(request.body) if request.body else {}
            result, status = self.controls.call(name, arguments), 200
        except (ValueError, TypeError, KeyError, AttributeError, ServiceError) as error:
            result, status = {"error": f"{type(error).__name__}: {error}"}, 400
        connection.answer(status, {"Content-Type": "application/json"}, json.dumps(result).encode())


def _stream_name(parsed: dict) -> str | None:
    if isinstance(parsed.get("StreamName"), str):
        return parsed["StreamName"]
    if isinstance(parsed.get("StreamARN"), str):
        return parsed["StreamARN"].rpartition("/")[2]
    return parsed.get("DeliveryStreamName")


class FakeKinesis:
    """The server on a thread of its own; every verb of Controls is a method here, safe from any thread."""

    def __init__(self, streams: dict[str, int] | None = None, *, port: int = 0, host: str = "127.0.0.1",
                 region: str = "us-east-1", keys: list[AccessKey] | None = None, cert: str | None = None,
                 key: str | None = None, verify_signatures: bool = True):
        self._options = (region, keys or [DEFAULT_KEY], streams or {}, verify_signatures)
        self._host, self._port, self._cert, self._key = host, port, cert, key
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fake_kinesis", daemon=True)

    def start(self) -> "FakeKinesis":
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def join(self) -> None:
        self._thread.join()

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    @property
    def port(self) -> int:
        return self._port

    @property
    def endpoint(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._cert else 'http'}://{host}:{self._port}"

    def __getattr__(self, name: str):
        if name.startswith("_") or not hasattr(Controls, name):
            raise AttributeError(name)

        def call(*args, **kwargs):
            async def on_loop():
                return getattr(self._server.controls, name)(*args, **kwargs)
            return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result()
        return call

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # handed to start(), which raises it
            self._failure = error
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._server = Server(State(*self._options))
        context = None
        if self._cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._cert, self._key)
        listener = await self._loop.create_server(self._server.new_connection, self._host, self._port,
                                                  ssl=context, backlog=1024)
        self._port = listener.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        listener.close()
        for connection in list(self._server.connections):
            connection.transport.abort()
