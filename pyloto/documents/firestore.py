"""The Firestore adapter: production, and the official emulator where `FIRESTORE_EMULATOR_HOST` names one.

It speaks to the generated client: `BatchWrite` exists only there, and the library's own client waits for up to five
minutes before it reports a failure. Here every call passes its timeout and its retry policy.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import grpc
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from pyloto.errors import PylotoError
from pyloto.failpoints import failpoint

from . import changes, queries, values
from .errors import AlreadyExists, InvalidDocument, NotFound, PreconditionFailed, Unavailable
from .port import Create, Delete, DocumentStore, Query, Snapshot, Update, Write, WriteResult
from .protobuf import Names, query_message, read_document, read_time, write_message

READ_TIMEOUT = 3.0  # seconds, each attempt
WRITE_TIMEOUT = 5.0
CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),  # the least that the service allows
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),  # gRPC's own is two minutes: an outage would outlive its cause
]
# For what may be applied twice. No new attempt is begun after three seconds.
_RETRY = Retry(predicate=if_exception_type(exceptions.ServiceUnavailable), initial=0.1, maximum=0.5, timeout=3.0)

T = TypeVar("T")
_CommitRequest: Any = types.CommitRequest.pb()
_BatchWriteRequest: Any = types.BatchWriteRequest.pb()
_BatchGetRequest: Any = types.BatchGetDocumentsRequest.pb()
_RunQueryRequest: Any = types.RunQueryRequest.pb()
_AggregationRequest: Any = types.RunAggregationQueryRequest.pb()


class FirestoreStore(DocumentStore):
    """See `port.DocumentStore`. Connects at its first call, and again in a child process."""

    def __init__(self, *, project: str, database: str) -> None:
        self.names = Names(f"projects/{project}/databases/{database}")
        self._lock = threading.Lock()
        self._client: FirestoreClient | None = None
        self._metadata: list[tuple[str, str]] = []
        self._pid = 0

    def get_many(self, paths: Sequence[str]) -> dict[str, Snapshot]:
        if not paths:
            return {}
        names = [self.names.of(values.document_path(path)) for path in paths]
        request = types.BatchGetDocumentsRequest.wrap(_BatchGetRequest(database=self.names.database, documents=names))
        responses = self._read(lambda client, options: list(client.batch_get_documents(request, **options)))
        messages = [types.BatchGetDocumentsResponse.pb(response) for response in responses]
        snapshots = [read_document(self.names, message.found) for message in messages if message.HasField("found")]
        return {snapshot.path: snapshot for snapshot in snapshots}

    def query(self, query: Query) -> list[Snapshot]:
        plan = queries.plan(query)
        if plan.matches_nothing:
            return []
        request = types.RunQueryRequest.wrap(
            _RunQueryRequest(parent=self.names.of(plan.parent), structured_query=query_message(self.names, plan))
        )
        responses = self._read(lambda client, options: list(client.run_query(request, **options)))
        messages = [types.RunQueryResponse.pb(response) for response in responses]
        return [read_document(self.names, message.document) for message in messages if message.HasField("document")]

    def count(self, query: Query) -> int:
        plan = queries.plan(query)
        if plan.matches_nothing:
            return 0
        request = _AggregationRequest(parent=self.names.of(plan.parent))
        request.structured_aggregation_query.structured_query.CopyFrom(query_message(self.names, plan))
        request.structured_aggregation_query.aggregations.add(alias="count").count.SetInParent()
        wrapped = types.RunAggregationQueryRequest.wrap(request)
        responses = self._read(lambda client, options: list(client.run_aggregation_query(wrapped, **options)))
        (result,) = [types.RunAggregationQueryResponse.pb(response).result for response in responses]
        return int(result.aggregate_fields["count"].integer_value)

    def commit(self, writes: Sequence[Write]) -> dict[str, datetime]:
        cleaned = changes.clean_commit(writes)
        if not cleaned:
            return {}
        messages = [write_message(self.names, write) for write in cleaned]
        request = types.CommitRequest.wrap(_CommitRequest(database=self.names.database, writes=messages))
        with _translated(_described(cleaned)):
            client = self._connected()
            # Not tried again: whether the first attempt was applied is for the caller to find out.
            response = client.commit(request, retry=None, timeout=WRITE_TIMEOUT, metadata=self._metadata)
        results = zip(cleaned, types.CommitResponse.pb(response).write_results, strict=True)
        return {write.path: read_time(result.update_time) for write, result in results if not isinstance(write, Delete)}

    def write_many(self, writes: Sequence[Create | Update]) -> list[WriteResult]:
        cleaned = changes.clean_many(writes)
        return [result for chunk in changes.chunks(cleaned) for result in self._write_chunk(chunk)]

    def _write_chunk(self, chunk: list[Write]) -> list[WriteResult]:
        failpoint("store.chunk")
        messages = [write_message(self.names, write) for write in chunk]
        request = types.BatchWriteRequest.wrap(_BatchWriteRequest(database=self.names.database, writes=messages))

        def send() -> Any:
            client = self._connected()
            return client.batch_write(request, retry=None, timeout=WRITE_TIMEOUT, metadata=self._metadata)

        try:
            with _translated(_described(chunk)):
                response = types.BatchWriteResponse.pb(_RETRY(send)())
        except (Unavailable, InvalidDocument) as exc:
            return [WriteResult(write.path, exc) for write in chunk]
        return [
            WriteResult(write.path, _status_error(status, write.path))
            for write, status in zip(chunk, response.status, strict=True)
        ]

    def _read(self, call: Callable[[FirestoreClient, dict[str, Any]], T]) -> T:
        """The retry goes around the whole answer: a stream may break in its middle."""

        def attempt() -> T:
            client = self._connected()
            return call(client, {"retry": None, "timeout": READ_TIMEOUT, "metadata": self._metadata})

        with _translated("a read", is_read=True):
            return _RETRY(attempt)()

    def _connected(self) -> FirestoreClient:
        with self._lock:
            if self._client is None or self._pid != os.getpid():  # gRPC doesn't survive a fork
                self._client, self._metadata = _connect(self.names.database)
                self._pid = os.getpid()
            return self._client


def _connect(database: str) -> tuple[FirestoreClient, list[tuple[str, str]]]:
    metadata = [("google-cloud-resource-prefix", database)]
    if emulator := os.environ.get("FIRESTORE_EMULATOR_HOST"):
        channel = grpc.insecure_channel(emulator, options=CHANNEL_OPTIONS)
        metadata.append(("authorization", "Bearer owner"))  # past the rules, as a server's own account is
    else:
        channel = FirestoreGrpcTransport.create_channel(options=CHANNEL_OPTIONS)
    return FirestoreClient(transport=FirestoreGrpcTransport(channel=channel)), metadata


def _described(writes: Sequence[Write]) -> str:
    return writes[0].path if len(writes) == 1 else f"one of {len(writes)} writes"


def _status_error(status: Any, path: str) -> PylotoError | None:
    """What the status of one write of a `BatchWrite` means."""
    if not status.code:
        return None
    return _error(exceptions.from_grpc_status(status.code, ""), path)  # type: ignore[no-untyped-call]


@contextmanager
def _translated(what: str, *, is_read: bool = False) -> Iterator[None]:
    try:
        yield
    except (exceptions.GoogleAPIError, GoogleAuthError) as exc:
        raise _error(exc, what, is_read=is_read) from exc


def _error(exc: Exception, what: str, *, is_read: bool = False) -> PylotoError:
    """The library's error as the port's. What is unknown may help itself: it is `Unavailable`."""
    match exc:
        case exceptions.AlreadyExists():
            return AlreadyExists(what)
        case exceptions.InvalidArgument():
            return InvalidDocument(f"Firestore refuses {what}")
        case exceptions.FailedPrecondition() if is_read:
            return InvalidDocument("the query needs an index that firestore.indexes.json doesn't list")
        case exceptions.FailedPrecondition():
            return PreconditionFailed(what)
        case exceptions.NotFound() if not is_read:  # of a read it is the database that isn't there
            return NotFound(what)
    return Unavailable(f"no answer about {what}")
