"""Bodies without secrets stay what they were: JSON, events, lines, forms, frames."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.providers.framing.aws_event_stream import AwsEventStreamDecoder, encode
from addon.providers.framing.sse import events
from tests.redaction.redacting import SECRETS, redactor

REDACTOR = redactor()
MAIL, CARD = SECRETS["mail"], SECRETS["card"]
MAIL_PSEUDONYM = REDACTOR.text(MAIL)


def redacted(body: bytes, content_type: str = "application/json") -> bytes:
    found = REDACTOR.body(body, content_type)
    assert found is not None
    return found


@pytest.mark.parametrize("written", [{}, {"ensure_ascii": False}, {"indent": 2}])
def test_secrets_in_json_are_replaced_and_every_other_byte_stays(written: dict[str, Any]) -> None:
    document = {"text": f'é\n{MAIL} "quoted"', MAIL: 1.50, "n": [1, None, True], "float": 1e5}
    body = json.dumps(document, **written).encode()
    found = json.loads(redacted(body))
    assert found == {"text": f'é\n{MAIL_PSEUDONYM} "quoted"', MAIL_PSEUDONYM: 1.5, "n": [1, None, True], "float": 1e5}


@pytest.mark.parametrize(("escape", "of"), [("\\u0040", "@"), ("\\u002e", "."), ("\\u0061", "a")])
def test_escapes_in_json_hide_nothing(escape: str, of: str) -> None:
    body = ('{"text": "' + MAIL.replace(of, escape) + ' \\/ \\n"}').encode()
    assert json.loads(redacted(body)) == {"text": f"{MAIL_PSEUDONYM} / \n"}


def test_a_member_that_is_named_twice_hides_nothing() -> None:
    assert MAIL.encode() not in redacted(f'{{"a": "{MAIL}", "a": "x"}}'.encode())


def test_a_card_number_that_json_has_as_a_number_becomes_a_string() -> None:
    found = json.loads(redacted(b'{"a": 4111111111111111, "b": [4111111111111111,-5500000000000004], "c": 17}'))
    assert found == {"a": REDACTOR.text(CARD), "b": [REDACTOR.text(CARD), REDACTOR.text("5500000000000004")], "c": 17}
    assert json.loads(redacted(b"[4111111111111111]")) == [REDACTOR.text(CARD)]


def test_json_in_a_string_of_json_stays_json() -> None:
    arguments = json.dumps({"to": f"line\n{MAIL}", "password": "hunter2hunter2"})
    body = json.dumps({"function": {"arguments": arguments}}).encode()
    found = json.loads(json.loads(redacted(body))["function"]["arguments"])
    assert found["to"] == f"line\n{MAIL_PSEUDONYM}"
    assert found["password"].startswith("<key:")


def test_the_value_of_a_telling_member_is_a_secret_whatever_it_looks_like() -> None:
    found = json.loads(redacted(b'{"api_key": "abc1", "Password":"s3cret" , "token": "Hello1", "pwd": "required"}'))
    assert found["api_key"].startswith("<key:")
    assert found["Password"].startswith("<key:")
    assert found["token"] == "Hello1"  # as in log probabilities
    assert found["pwd"] == "required"


def test_a_cut_body_is_redacted_up_to_its_end() -> None:
    body = json.dumps({"text": f"line\n{MAIL} and {CARD} é"}).encode()
    for end in range(len(body)):
        found = redacted(body[:end])
        assert MAIL.encode() not in found
        assert CARD.encode() not in found


def test_a_picture_in_base64_is_left_alone() -> None:
    picture = "AKIAIOSFODNN7EXAMPLE/" * 100
    body = json.dumps({"url": f"data:image/png;base64,{picture}", "data": picture, "text": MAIL}).encode()
    found = json.loads(redacted(body))
    assert found == {"url": f"data:image/png;base64,{picture}", "data": picture, "text": MAIL_PSEUDONYM}


def chunks(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def sse(texts: list[str]) -> bytes:
    return b"".join(
        b"data: %b\n\n" % json.dumps({"id": "x", "choices": [{"index": 0, "delta": {"content": text}}]}).encode()
        for text in texts
    )


def streamed_text(body: bytes) -> str:
    return "".join(
        json.loads(event.data)["choices"][0]["delta"]["content"] for event in events(body) if event.data[0] == "{"
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_that_a_stream_brings_in_pieces_is_found(kind: str, size: int) -> None:
    secret = SECRETS[kind]
    body = sse(chunks(f"before {secret} after", size)) + b"data: [DONE]\n\n"
    found = redacted(body, "text/event-stream")
    assert streamed_text(found) == REDACTOR.text(f"before {secret} after")
    assert len(events(found)) == len(events(body))


def test_texts_that_come_at_the_same_time_are_not_mixed() -> None:
    def event(index: int, text: str) -> bytes:
        return b"data: %b\n\n" % json.dumps({"choices": [{"index": index, "delta": {"content": text}}]}).encode()

    body = b"".join(
        event(at % 2, each) for at, each in enumerate(["alice@", "bob@ex", "example", "ample.", ".org", "com"])
    )
    found = [json.loads(each.data)["choices"][0] for each in events(redacted(body, "text/event-stream"))]
    text = ["".join(each["delta"]["content"] for each in found if each["index"] == index) for index in (0, 1)]
    assert text == [MAIL_PSEUDONYM, REDACTOR.text("bob@example.com")]


def test_lines_of_json_and_arrays_of_chunks_are_streams_as_well() -> None:
    documents = [{"message": {"content": text}} for text in ("alice@", "example", ".org")]
    lines = b"\n".join(json.dumps(each).encode() for each in documents)
    array = json.dumps(documents).encode()
    for found in (
        [json.loads(line) for line in redacted(lines, "application/x-ndjson").splitlines()],
        json.loads(redacted(array)),
    ):
        assert "".join(each["message"]["content"] for each in found) == MAIL_PSEUDONYM


def test_the_lines_of_a_batch_are_texts_of_their_own() -> None:
    lines = [{"custom_id": str(at), "text": text} for at, text in enumerate((f"to {MAIL}", "Hello"))]
    body = "\n".join(map(json.dumps, lines)).encode()
    found = [json.loads(line)["text"] for line in redacted(body, "application/jsonl").splitlines()]
    assert found == [f"to {MAIL_PSEUDONYM}", "Hello"]


def test_frames_of_aws_are_redacted_and_framed_again() -> None:
    headers = {":event-type": "chunk", ":message-type": "event"}
    inner = [json.dumps({"delta": {"text": text}}).encode() for text in ("to ali", "ce@example.org", " x")]
    payloads = [json.dumps({"bytes": base64.b64encode(each).decode(), "p": "abc"}).encode() for each in inner]
    body = b"".join(encode(headers, payload) for payload in payloads)
    found = AwsEventStreamDecoder().feed(redacted(body + body[:7], "application/vnd.amazon.eventstream"))
    texts = [json.loads(base64.b64decode(json.loads(event.data)["bytes"]))["delta"]["text"] for event in found]
    assert [event.event for event in found] == ["chunk"] * 3
    assert "".join(texts) == f"to {MAIL_PSEUDONYM} x"


def test_forms_stay_forms() -> None:
    found = redacted(b"user=alice%40example.org&phone=%2B49+151+12345678&n=1", "application/x-www-form-urlencoded")
    assert parse_qs(found.decode()) == {
        "user": [MAIL_PSEUDONYM],
        "phone": [REDACTOR.text("+49 151 12345678")],
        "n": ["1"],
    }
    sound = bytes(range(256))
    parts = [b"", b'\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + MAIL.encode() + b"\r\n"]
    parts += [b'\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + sound + b"\r\n", b"--\r\n"]
    found = redacted(b"--cut".join(parts), "multipart/form-data; boundary=cut")
    assert found == b"--cut".join(parts).replace(MAIL.encode(), MAIL_PSEUDONYM.encode())


def test_text_in_another_encoding_is_redacted() -> None:
    body = json.dumps({"text": MAIL})
    for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig"):
        assert MAIL_PSEUDONYM.encode() in redacted(body.encode(encoding))


def test_what_says_it_is_text_and_is_not_must_not_be_kept() -> None:
    assert REDACTOR.body(b"\x1f\x8b\xff\xfe", "application/json") is None
    assert REDACTOR.body(b"\x89PNG\xff\xfe", "image/png") == b"\x89PNG\xff\xfe"


def test_a_body_as_it_is_kept_is_redacted_in_its_form() -> None:
    assert REDACTOR.kept_body(f'{{"a": "{MAIL}"}}') == f'{{"a": "{MAIL_PSEUDONYM}"}}'
    frame = encode({}, json.dumps({"text": MAIL}).encode())
    kind = "data:application/vnd.amazon.eventstream;base64,"
    found = REDACTOR.kept_body(kind + base64.b64encode(frame).decode())
    assert found is not None
    assert MAIL_PSEUDONYM.encode() in base64.b64decode(found.removeprefix(kind))
    assert REDACTOR.kept_body("data:application/json;base64,/////w==") is None


def test_a_body_without_secrets_is_returned_as_it_is() -> None:
    for body in (b"", b"{}", b'{"a" : "b\\n", "a": 1.0}', sse(["a", "b"]), b'broken "json \\', b"plain"):
        assert redacted(body) is body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.sampled_from(sorted(SECRETS.values())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_no_secret_survives_in_json_which_stays_json(document: Any, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps({"document": document}, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    found = redacted(body)
    json.loads(found)
    for secret in SECRETS.values():
        assert secret.encode() not in found


@given(st.sampled_from(sorted(SECRETS)), st.data())
def test_no_secret_survives_however_a_stream_is_cut(kind: str, data: st.DataObject) -> None:
    text = f"to {SECRETS[kind]}\nand on"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert streamed_text(redacted(sse(pieces), "text/event-stream")) == REDACTOR.text(text)


@pytest.mark.parametrize("coded", ["aGk= ", "aGk=", "not base64 ", "aGk"])
def test_text_that_begins_like_a_kept_file_is_searched_as_text(coded: str) -> None:
    body = f"data:text/plain;base64,{coded} and {MAIL}"
    assert REDACTOR.kept_body(body) == body.replace(MAIL, MAIL_PSEUDONYM)
