"""gRPC's framing, and protocol buffers by their field numbers."""

import gzip

from google.protobuf import json_format, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from addon.metering.reading import read_answer, request_facts
from addon.providers import registry, xai
from addon.providers.framing.grpc import GrpcDecoder, framed
from addon.providers.framing.table import GRPC
from addon.providers.model import Asked, Operation
from addon.providers.protobuf import STRUCT, Schema, inside, number, read, text

INNER = Schema({1: number("count"), 2: number("kinds", {1: "one"}, is_list=True)}, zeros=("count",))
OUTER = Schema({1: text("name"), 2: inside("inner", INNER), 3: text("names", is_list=True)})


def varint(value: int) -> bytes:
    head, rest = value & 0x7F, value >> 7
    return bytes([head | 0x80]) + varint(rest) if rest else bytes([head])


def field(key: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(key << 3) + varint(value)
    return varint(key << 3 | 2) + varint(len(value)) + value


def operation(path: str) -> Operation:
    found = registry.operation(xai.PROVIDER, "POST", path)
    assert found
    return found[0]


def test_fields_have_the_names_of_the_schema() -> None:
    inner = field(1, 300) + field(2, bytes([1, 2])) + field(2, 1)
    message = field(1, "é".encode()) + field(9, 7) + field(3, b"a") + field(3, b"b") + field(2, inner)
    assert read(message, OUTER) == {
        "name": "é",
        "names": ["a", "b"],
        "inner": {"count": 300, "kinds": ["one", 2, "one"]},
    }


def test_a_number_that_is_left_out_is_0_where_the_schema_says_so() -> None:
    assert read(b"", INNER) == {"count": 0}
    assert read(b"", OUTER) == {}


def test_fixed_numbers_are_passed_over() -> None:
    temperature = varint(14 << 3 | 5) + b"\0\0\0\x3f"
    assert read(temperature + field(1, b"n"), OUTER) == {"name": "n"}


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(message: bytes) -> None:
    read(message, OUTER)
    for path in ("GetCompletion", "GetCompletionChunk"):
        called = operation(f"/xai_api.Chat/{path}")
        for body in (message, framed(message)):
            read_answer(called, body, called.json_framing, Asked(body=None))
            assert request_facts(body, "application/grpc", called.read_request)


def test_a_message_inside_itself_without_end_is_cut() -> None:
    endless = Schema({})
    object.__setattr__(endless, "fields", {1: inside("in", endless)})
    message = b""
    for _ in range(200):
        message = field(1, message)
    assert str(read(message, endless)).count("in") < 40


_SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
_PLAIN = _SCALARS | st.text(st.characters(codec="utf-8"), max_size=9)
_FLAT = (
    _PLAIN | st.lists(_PLAIN, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), _PLAIN, max_size=3)
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), _FLAT | st.lists(_FLAT, max_size=3), max_size=4))
def test_a_struct_is_the_object_that_it_was_made_of(args: dict[str, object]) -> None:
    """Arguments and results of tools, as Google's own library writes them."""
    message = json_format.ParseDict(args, struct_pb2.Struct()).SerializeToString()
    assert read(field(1, message), Schema({1: inside("args", STRUCT)})) == {"args": args}


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 20))
def test_messages_are_the_same_however_the_bytes_are_split(parts: list[bytes], step: int) -> None:
    body = b"".join(map(framed, parts))
    decoder = GrpcDecoder()
    found = [event for start in range(0, len(body), step) for event in decoder.feed(body[start : start + step])]
    assert [event.data.encode("latin-1") for event in found] == parts
    assert decoder.end() == []


def test_a_compressed_message_is_read_and_an_unknown_coding_left_out() -> None:
    packed = gzip.compress(b"hello")
    events = GrpcDecoder().feed(b"\1" + len(packed).to_bytes(4) + packed + b"\1\0\0\0\1x" + framed(b"y"))
    assert [event.data for event in events] == ["hello", "", "y"]


def test_bytes_that_are_no_messages_are_left_out() -> None:
    assert GrpcDecoder().feed(b'{"error": {"message": "not gRPC"}}') == []
    assert GrpcDecoder().feed(b"\0\xff\xff\xff\xff") == []


def test_an_error_in_json_in_place_of_messages_is_named() -> None:
    called = operation("/xai_api.Chat/GetCompletion")
    body = b'{"error": {"type": "rate_limit_exceeded", "message": "wait"}}'
    assert read_answer(called, body, called.json_framing, Asked()).error_type == "rate_limit_exceeded"


def test_the_status_of_a_call_is_its_error() -> None:
    called = operation("/xai_api.Chat/GetCompletion")
    for code, name in (("0", None), ("16", "UNAUTHENTICATED"), ("99", "grpc_99"), ("x", "grpc_x")):
        asked = Asked(answer_headers={"grpc-status": code})
        assert read_answer(called, b"", GRPC, asked).error_type == name
