"""A lake on Azure's Blob Storage: Azurite, Microsoft's own emulator, as a process. `npm install -g azurite` where it is missing."""

import base64
import hashlib
import hmac
import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import pytest

from addon.objects.store import PART_BYTES, Store, StoreTrouble
from tests.objects.lakes import put_read_list_and_delete, ship_read_change_and_recall
from tests.processes import told

pytestmark = pytest.mark.skipif(
    shutil.which("azurite-blob") is None, reason="Azurite is not installed: npm install -g azurite"
)
ACCOUNT: Final = "devstoreaccount1"
# Azurite's published account key: no secret.
KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_VERSION: Final = "2021-08-06"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("azurite")
    command = ["azurite-blob", "--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck"]
    process = subprocess.Popen(
        [*command, "--location", str(folder), "--disableTelemetry", "--silent"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    try:
        found = told(process.stdout, r"listens on (http://127\.0\.0\.1:\d+)")
        _make_container(found[1], "calls")
        yield f"{found[1]}/{ACCOUNT}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def url(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", server)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"az://calls/{abs(hash(request.node.name)):x}"


def test_conditions_listings_and_large_files(url: str, tmp_path: Path) -> None:
    put_read_list_and_delete(Store(url), tmp_path, large_bytes=5 * PART_BYTES)  # in parts


def test_a_lake_from_its_first_row_to_its_last(url: str, tmp_path: Path) -> None:
    ship_read_change_and_recall(url, tmp_path, time.time())


def test_a_container_that_is_missing_is_told(url: str) -> None:
    store = Store("az://nobody-made-this/team")
    for act in (lambda: store.put("a", b"1", None), lambda: store.get("a"), lambda: list(store.list(""))):
        with pytest.raises(StoreTrouble, match="there is no such container; make it, or correct its name"):
            act()


def test_a_wrong_key_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", base64.b64encode(b"another key").decode())
    with pytest.raises(StoreTrouble, match="the key or SAS token is wrong or has expired, or the clock"):
        Store(url).get("a")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "no Base64!")
    with pytest.raises(StoreTrouble, match="AZURE_STORAGE_ACCOUNT_KEY is not a key of Azure"):
        Store(url)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME")
    with pytest.raises(StoreTrouble, match="set AZURE_STORAGE_ACCOUNT_NAME"):
        Store(url)


def test_a_token_for_readers_reads_and_an_expired_one_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(url).put("a", b"1", None)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", _token("rl", valid_for=timedelta(hours=1)))
    assert Store(url).get("a")[0] == b"1"
    with pytest.raises(StoreTrouble, match="may not write there; they need the role Storage Blob Data Contributor"):
        Store(url).put("b", b"2", None)
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", _token("rwdl", valid_for=timedelta(hours=-1)))
    with pytest.raises(StoreTrouble, match="has expired"):
        Store(url).get("a")


def _signed(text: str) -> str:
    return base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()


def _make_container(server: str, name: str) -> None:
    """https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
    now = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    canonical = f"x-ms-date:{now}\nx-ms-version:{_VERSION}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signature = _signed("PUT" + "\n" * 12 + canonical)
    headers = {"x-ms-date": now, "x-ms-version": _VERSION, "Content-Length": "0"}
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{signature}"
    connection = http.client.HTTPConnection(server.removeprefix("http://"))
    connection.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers=headers)
    assert connection.getresponse().status == 201


def _token(permissions: str, *, valid_for: timedelta) -> str:
    """https://learn.microsoft.com/rest/api/storageservices/create-service-sas"""
    now = datetime.now(UTC)
    start, end = ((now + each).strftime("%Y-%m-%dT%H:%M:%SZ") for each in (timedelta(hours=-2), valid_for))
    parts = [permissions, start, end, f"/blob/{ACCOUNT}/calls", "", "", "", _VERSION, "c", *[""] * 7]
    text = "\n".join(parts[:16])
    return urlencode({"sp": permissions, "st": start, "se": end, "sv": _VERSION, "sr": "c", "sig": _signed(text)})
