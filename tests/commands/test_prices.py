"""`heliograph prices`: what is known of a price, and the newest list from a server."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from addon.commands.prices import prices
from addon.metering import fetched_list
from tests.commands.price_lists import as_bytes, model_of, published


class ListServer:
    """Serves one body, as the place does that the newest list is fetched from."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        self.says_bytes: int | None = None
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(served.status)
                self.send_header("content-length", str(served.says_bytes or len(served.body)))
                self.end_headers()
                self.wfile.write(served.body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/data.json"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[ListServer]:
    serving = ListServer()
    yield serving
    serving.close()


@pytest.fixture(autouse=True)
def _installed_list_afterwards(tmp_path: Path) -> Iterator[None]:
    yield
    fetched_list.use(tmp_path / "nothing")


def run(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(prices, [*arguments, "--data", str(data)])


def update(data: Path, server: ListServer, *more: str) -> Result:
    return run(data, "update", "--from", server.url, *more)


def cheaper() -> bytes:
    """The installed list, with one new price, a model more and a model less."""
    told = published()
    model_of(told, "openai", "gpt-4o-mini")["prices"] = {"input_mtok": "0.05", "output_mtok": "0.6"}
    seller = next(one for one in told if one["id"] == "openai")
    seller["models"] = [one for one in seller["models"] if one["id"] != "gpt-4"]
    seller["models"].append(
        {"id": "gpt-99", "match": {"equals": "gpt-99"}, "prices": {"input_mtok": "1", "output_mtok": "2"}}
    )
    return as_bytes(told)


@pytest.mark.parametrize(
    "model", ["gemini-99-pro", "gpt-5-never", "grok-99", "anthropic.claude-never-v1:0", "moonshot-never"]
)
def test_fees_of_a_family_are_no_price_of_a_model_that_nobody_has(model: str, tmp_path: Path) -> None:
    told = run(tmp_path, model)
    assert (told.exit_code, told.stdout) == (1, ""), told.output
    assert f"no price for {model} on " in told.stderr


def test_fees_stand_beside_the_price_of_a_known_model(tmp_path: Path) -> None:
    units = {price["unit"] for price in json.loads(run(tmp_path, "gemini-2.5-pro", "--json").stdout)}
    assert {"input_tokens", "output_tokens", "map_searches"} <= units


def test_a_newer_list_is_used_and_what_changed_is_told(tmp_path: Path, server: ListServer) -> None:
    server.body = cheaper()
    done = update(tmp_path, server)
    assert done.exit_code == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "added openai gpt-99" in lines
    assert "removed openai gpt-4" in lines
    assert "changed openai gpt-4o-mini input_mtok 0.15 -> 0.05" in lines
    assert "1 models added, 1 removed, 1 with other prices" in done.stderr
    assert str(tmp_path / "prices.json.gz") in done.stderr

    shown = run(tmp_path, "gpt-4o-mini", "--provider", "openai", "--json")
    known = {one["unit"]: one for one in json.loads(shown.stdout) if not one["condition"]}
    assert known["input_tokens"]["usd"] == "0.05"
    assert known["input_tokens"]["source"].startswith("genai-prices fetched 20")


def test_the_file_deleted_the_installed_list_is_back(tmp_path: Path, server: ListServer) -> None:
    server.body = cheaper()
    assert update(tmp_path, server).exit_code == 0
    (tmp_path / "prices.json.gz").unlink()
    shown = run(tmp_path, "gpt-4o-mini", "--provider", "openai", "--json")
    known = {one["unit"]: one for one in json.loads(shown.stdout) if not one["condition"]}
    assert known["input_tokens"]["usd"] == "0.15"


def test_the_changes_can_be_had_as_json(tmp_path: Path, server: ListServer) -> None:
    server.body = cheaper()
    told = json.loads(update(tmp_path, server, "--json").stdout)
    changed = next(one for one in told if one["price"] == "input_mtok")
    assert (changed["kind"], changed["price"], changed["old"], changed["new"]) == (
        *("changed", "input_mtok"),
        *("0.15", "0.05"),
    )


def test_the_same_list_changes_nothing(tmp_path: Path, server: ListServer) -> None:
    server.body = cheaper()
    update(tmp_path, server)
    before = (tmp_path / "prices.json.gz").read_bytes()
    again = update(tmp_path, server)
    assert again.exit_code == 0 and "nothing was changed" in again.stderr
    assert (tmp_path / "prices.json.gz").read_bytes() == before


def older() -> bytes:
    """Without the prices that began since summer."""
    told = published()
    for seller in told:
        for model in seller["models"]:
            for key in ("prices", "price_variants"):
                if isinstance(model.get(key), list):
                    kept = [p for p in model[key] if (p.get("constraint") or {}).get("start_date", "") < "2026-06"]
                    model[key] = kept or None
            if not model["prices"]:
                model["prices"] = {"input_mtok": "1"}
    return as_bytes(told)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lambda: b"<!doctype html><title>Sign in</title>", "a web page"),
        (lambda: b'{"message": "not found"}', "not a JSON array"),
        (lambda: cheaper()[:100_000], "not whole, or broken"),
        (lambda: as_bytes(published()[:5]), "it is not the whole list"),
        (lambda: b"[]", "it is not the whole list"),
        (lambda: as_bytes([{"id": "openai", "models": "?"}]), "cannot be read"),
        (older, "older than the list in use"),
        (lambda: b" " * (65 * 2**20), "larger than 64 MiB"),
    ],
    ids=["html", "object", "truncated", "part", "empty", "odd", "older", "oversized"],
)
def test_anything_but_a_whole_newer_list_changes_nothing(
    tmp_path: Path, server: ListServer, body: object, reason: str
) -> None:
    assert callable(body)
    server.body = body()
    refused = update(tmp_path, server)
    assert refused.exit_code == 1
    assert reason in refused.stderr and "Nothing was changed" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_error_answer_and_a_cut_connection_change_nothing(tmp_path: Path, server: ListServer) -> None:
    server.status, server.body = 503, b"busy"
    assert "the answer was 503" in update(tmp_path, server).stderr
    server.status, server.body, server.says_bytes = 200, b"[", 1000
    assert "could not be fetched" in update(tmp_path, server).stderr
    server.close()
    assert "could not be fetched" in update(tmp_path, server).stderr
    assert list(tmp_path.iterdir()) == []


def test_a_kept_list_that_is_broken_is_told_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "prices.json.gz").write_bytes(gzip.compress(b"{}"))
    shown = run(tmp_path, "gpt-4o-mini", "--provider", "openai")
    assert shown.exit_code == 0
    assert "not a list that `heliograph prices update` wrote" in shown.stderr
    assert "genai-prices fetched" not in shown.stdout
