"""The dashboard at the proxy's own address."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from addon.config.keys import new_key, section
from tests.proxy.conftest import Proxy, run_up

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
READER = new_key()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with run_up(tmp_path_factory.mktemp("dashboard")) as proxy:
        yield proxy


def test_a_browser_gets_the_page_and_a_program_what_it_got(proxy: Proxy) -> None:
    answer = httpx.get(f"{proxy.url}/", headers=BROWSER, follow_redirects=True, timeout=60)
    assert answer.url.path == "/ui/overview"
    filtered = httpx.get(f"{proxy.url}/?since=7d&user=%22%22", headers=BROWSER)
    assert filtered.headers["location"] == "/ui/overview?since=7d&user=%22%22"
    assert "Make the first call" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert httpx.get(f"{proxy.url}/", timeout=60).json()["name"] == "heliograph"


def test_a_page_of_another_site_can_link_to_it_but_neither_frame_nor_read_it(proxy: Proxy) -> None:
    def status(mode: str, destination: str, **more: str) -> int:
        sent = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode, "sec-fetch-dest": destination, **more}
        return httpx.get(f"{proxy.url}/ui/overview", headers=BROWSER | sent, timeout=60).status_code

    assert status("navigate", "document") == 200
    assert status("navigate", "iframe") == 403
    assert status("cors", "empty", origin="https://evil.example") == 403
    assert status("navigate", "document", host="evil.example") == 403


def test_with_keys_a_person_signs_in(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text(section("reader", READER, ("read",)), encoding="utf-8")
    with run_up(tmp_path) as proxy, httpx.Client(base_url=proxy.url, timeout=60) as client:
        assert client.get("/ui/overview").headers["location"].startswith("/ui/sign-in?to=")
        answer = client.post("/ui/sign-in", data={"key": READER}, headers={"origin": proxy.url})
        assert answer.headers["hx-redirect"] == "/ui/"
        assert client.get("/ui/overview").status_code == 200
