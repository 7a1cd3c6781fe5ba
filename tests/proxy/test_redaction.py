"""[redact] with a real proxy: what passes is untouched, and no file of the data folder has a secret."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest

from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from tests.data_files import files_with
from tests.proxy.clients import plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for

RULES = """
[redact]
users = true

[[redact.own]]
name = "employee"
pattern = "EMP-[0-9]{4,}"
[[budgets]]
name = "each"
usd = 100
period = "month"
per = "user"
"""


@pytest.fixture(scope="module")
def redacting(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    data = tmp_path_factory.mktemp("data")
    (data / "heliograph.toml").write_text(RULES)
    with run_up(data, *to(shared_provider)) as proxy:
        yield proxy


class Secrets:
    """New ones at each call, each of a kind that the rules name."""

    def __init__(self, seed: int = 14) -> None:
        self._random = random.Random(seed)
        self.made: list[str] = []

    def some(self) -> list[str]:
        found = [self._mail(), self._card(), self._iban(), self._key(), self._phone(), f"EMP-{self._digits(6)}"]
        self.made += found
        return found

    def _digits(self, count: int) -> str:
        return "".join(self._random.choices("0123456789", k=count))

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices("abcdefghijklmnopqrstuvwxyz", k=count))

    def _mail(self) -> str:
        return f"{self._letters(7)}.{self._letters(5)}@{self._letters(8)}.example"

    def _card(self) -> str:
        digits = "4" + self._digits(14)
        doubled = [int(each) * (2 - at % 2) for at, each in enumerate(digits)]
        check = -sum(each - 9 * (each > 9) for each in doubled) % 10
        number = f"{digits}{check}"
        return " ".join(number[at : at + 4] for at in range(0, 16, 4)) if self._random.random() < 0.5 else number

    def _iban(self) -> str:
        account = self._digits(18)
        return f"DE{98 - int(account + '131400') % 97:02}{account}"

    def _key(self) -> str:
        return f"sk-proj-{self._letters(12)}{self._digits(8)}{self._letters(12)}"

    def _phone(self) -> str:
        return f"+49 1{self._digits(2)} {self._digits(8)}"


def stream_of(text: str, size: int) -> bytes:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    events = [
        {"id": "c", "model": "gpt-4o-mini", "choices": [{"index": 0, "delta": {"content": each}}]} for each in pieces
    ]
    usage = {"id": "c", "model": "gpt-4o-mini", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}
    return b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in [*events, usage]) + b"data: [DONE]\n\n"


def json_of(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 9}
    return json.dumps(
        {"id": "c", "model": "gpt-4o-mini", "choices": [choice], "usage": usage}, ensure_ascii=False
    ).encode()


def test_no_file_has_a_secret_and_what_passes_is_untouched(redacting: Proxy, provider: FakeProviders) -> None:
    secrets, ids = Secrets(), list[str]()
    with plain(redacting) as client:
        ids += [one_call(number, client, provider, secrets) for number in range(8)]
        for request_id in ids:
            told = client.put(f"/v1/request/{request_id}/property", json={"key": "note", "value": secrets.some()[0]})
            assert told.status_code == 200
        provider.script(Behaviour(status=400, body=json_of(", ".join(secrets.some())), content_type="application/json"))
        client.post("/openai/v1/chat/completions", content=b"{}", headers={"authorization": "Bearer sk-test"})
        (redacting.data / "heliograph.toml").write_text(RULES.replace("[redact]", "[redact]\nbefore_journal = true"))
        wait_for(lambda: any("settings read again: redact" in line for line in redacting.said))
        private = Secrets(seed=15)
        ids += [one_call(number, client, provider, private) for number in range(8)]
    assert [secret for secret in private.made if files_with(redacting.data / "journal", secret.encode())] == []
    for number, request_id in enumerate(ids):
        row, said = redacting.row(request_id), redacting.body(request_id)
        assert (row["input_tokens"], row["output_tokens"], row["usage_source"]) == (7, 9, "provider"), number
        assert row["cost_usd"]
        assert str(row["user_id"]).startswith("<user:")
        assert [said["response_text"].count(f"<{kind}:") for kind in KINDS] == [1] * len(KINDS)
        json.loads(said["request_body"])
    assert redacting.stop() == 0
    texts = list(texts_in(redacting.data))
    assert {kind for kind in KINDS for _, text in texts if f"<{kind}:" in text} == set(KINDS)
    made = [*secrets.made, *private.made]
    assert [name for name, text in texts for secret in made if secret in text] == []
    assert not [line for line in redacting.said if "Traceback" in line or any(each in line for each in made)]


def one_call(number: int, client: httpx.Client, provider: FakeProviders, secrets: Secrets) -> str:
    """Secrets wherever a caller or a provider can put text. Returns the request id."""
    asked, answered, named = (", ".join(secrets.some()) for _ in range(3))
    stream = number % 2 == 1
    answer = stream_of(answered, 1 + number % 4) if stream else json_of(answered)
    kind = "text/event-stream" if stream else "application/json"
    provider.script(Behaviour(body=answer, content_type=kind, encoding="gzip" if number % 3 == 0 else None))
    question = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": asked}], "stream": stream}
    body = json.dumps(question).replace("@", "\\u0040").encode()
    packed = gzip.compress(body) if number % 4 == 0 else body
    headers = {
        "authorization": "Bearer sk-test",
        "content-type": "application/json",
        "helicone-user-id": named,
        "helicone-session-id": f"session {named}",
        "helicone-session-name": named,
        "helicone-session-path": f"/{named}",
        "helicone-property-customer": named,
        "helicone-cache-enabled": "true",
        "user-agent": f"program/1 {named}",
        "helicone-prompt-id": named,
    }
    if packed is not body:
        headers["content-encoding"] = "gzip"
    response = client.post("/openai/v1/chat/completions", content=packed, headers=headers)
    assert response.content == answer
    assert provider.requests[-1].body == packed
    return str(response.headers["helicone-id"])


KINDS = ("mail", "card", "iban", "key", "phone", "employee")


def texts_in(data: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every file, of Parquet what its columns say."""
    for path in sorted(data.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            rows = duckdb.execute(f"select t::varchar from '{path}' t").fetchall()
            yield path.name, "\n".join(str(row) for row in rows)
