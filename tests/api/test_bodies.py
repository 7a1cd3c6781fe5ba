"""Bodies of requests that expand, nest or hold too much."""

import asyncio
import gzip
import json

import pytest
import requests
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from starlette.requests import Request
from starlette.types import Message

from analysis.api.bodies import (
    MOST_CONTAINERS,
    MOST_DEPTH,
    MOST_VALUES,
    LongBodies,
    check_json,
    check_protobuf,
    decoded,
)
from analysis.api.envelope import ApiError
from tests.api.conftest import Client
from tests.api.served import Server

JSON = {"content-type": "application/json"}
PROTOBUF = {"content-type": "application/x-protobuf"}
GZIP = {"content-encoding": "gzip"}
QUOTED = '{"a": "[[[{{{,,,\\", [[[{{{,,,"}'


def refusal(check: object, *arguments: object) -> ApiError:
    assert callable(check)
    with pytest.raises(ApiError) as raised:
        check(*arguments)
    return raised.value


def test_a_body_that_expands_beyond_its_bound_is_413_and_names_the_bound() -> None:
    bomb = gzip.compress(bytes(2**20))
    refused = refusal(decoded, bomb, "gzip", 1000)
    assert (refused.status, "longer than 1000 bytes" in refused.message) == (413, True)
    assert decoded(bomb, "gzip", 2**20) == bytes(2**20)


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"cut short" * 100, mtime=0)[:-9]])
def test_a_body_that_is_not_what_its_header_says_is_400(body: bytes) -> None:
    assert refusal(decoded, body, "gzip", 1000).status == 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[" + b"{}," * MOST_CONTAINERS + b"{}]", "objects and lists"),
        (b"[" + b"1," * (MOST_VALUES + 1) + b"1]", "values"),
        (b"[" * (MOST_DEPTH + 1), "nested"),
    ],
)
def test_json_that_holds_too_much_is_413(body: bytes, says: str) -> None:
    refused = refusal(check_json, body)
    assert (refused.status, says in refused.message) == (413, True)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MOST_DEPTH + b"]" * MOST_DEPTH,
        json.dumps(["[{," * MOST_VALUES]).encode(),
        QUOTED.encode() * 100_000,
        b'"' + b'\\"' * 4_000_000,  # a string without an end: looked at once, not once for each quote in it
        b'"' * 4_000_000,
        b'"' + b"\\" * 4_000_001,
    ],
)
def test_what_is_in_strings_does_not_count(body: bytes) -> None:
    check_json(body)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\x0a\x00" * (MOST_CONTAINERS + 1), 413),
        (b"\x0a", 400),
        (b"\x0b\x0c", 400),  # a group
        (b"\x80" * 11, 400),
    ],
)
def test_protobuf_that_holds_too_much_or_is_odd_is_refused(body: bytes, status: int) -> None:
    assert refusal(check_protobuf, body, TracesData.DESCRIPTOR).status == status


def test_protobuf_that_is_nested_too_deep_is_413() -> None:
    traces = TracesData()
    value = traces.resource_spans.add().resource.attributes.add().value
    for _ in range(MOST_DEPTH):
        value = value.array_value.values.add()
    assert refusal(check_protobuf, traces.SerializeToString(), TracesData.DESCRIPTOR).status == 413


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/v1/traces", JSON, b'{"resourceSpans":[' + b"{}," * 2_700_000 + b"{}]}"),
        ("/v1/traces", PROTOBUF, b"\x0a\x00" * 4_000_000),
        ("/v1/traces", JSON, bytes(100 * 2**20)),
        ("/custom/v1/log", JSON, b'{"a":[' + b"{}," * 2_700_000 + b"{}]}"),
        ("/custom/v1/log", JSON, bytes(100 * 2**20)),
        ("/custom/v1/log", JSON, b"[" * 5000),
    ],
)
def test_eight_kilobytes_of_gzip_are_refused_by_what_they_stand_for(
    server: Server, path: str, headers: dict[str, str], body: bytes
) -> None:
    answer = requests.post(server.url + path, data=gzip.compress(body), headers=headers | GZIP)
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("the body ")


def test_every_endpoint_reads_compressed_bodies(api: Client) -> None:
    def count(body: bytes) -> int:
        return api.http.post("/v1/request/count/query", content=gzip.compress(body), headers=JSON | GZIP).status_code

    assert count(b'{"filter": "all"}') == 200
    assert count(b'{"filter": "all"' + b" " * 2**20 + b"}") == 413


def test_a_resource_with_many_attributes_is_not_read_once_for_each_of_its_spans(server: Server) -> None:
    """20,000 attributes for each of 10,000 spans would be 200 million."""
    attribute = {"key": "k", "value": {"stringValue": "v"}}
    spans = [{"traceId": f"{1:032x}", "spanId": f"{i + 1:016x}"} for i in range(10_000)]
    resource = {"resource": {"attributes": [attribute] * 20_000}, "scopeSpans": [{"spans": spans}]}
    body = gzip.compress(json.dumps({"resourceSpans": [resource]}).encode())
    assert requests.post(f"{server.url}/v1/traces", data=body, headers=JSON | GZIP, timeout=60).status_code == 200


def test_long_bodies_that_are_too_many_at_once_are_503_and_counted_down() -> None:
    started: list[bool] = []
    half_read, goes_on = asyncio.Event(), asyncio.Event()

    async def slow() -> Message:
        if not started:
            started.append(True)
            return {"type": "http.request", "body": bytes(600), "more_body": True}
        half_read.set()
        await goes_on.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def both() -> None:
        bodies = LongBodies(most_under_way=1000)
        first = asyncio.create_task(bodies.read(_request(slow), 2000, len))
        await half_read.wait()
        with pytest.raises(ApiError, match="too many long bodies"):
            await bodies.read(_request(_whole(500)), 2000, len)
        goes_on.set()
        assert await first == 600
        assert await bodies.read(_request(_whole(900)), 2000, len) == 900

    asyncio.run(both())


def _request(receive: object) -> Request:
    return Request({"type": "http", "method": "POST", "headers": []}, receive)  # type: ignore[arg-type]


def _whole(size: int) -> object:
    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(size), "more_body": False}

    return receive
