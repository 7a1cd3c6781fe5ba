"""Two proxies, one URL of settings: a change is in force in both within a minute, and without a restart."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from addon.config.keys import ROLES, new_key, section
from addon.config.remote_copy import settings_file
from addon.demo.providers import FakeProviders
from tests.config.test_remote_settings import Server, forget_when, server_of
from tests.proxy.conftest import Proxy, run_up, to, wait_for
from tests.proxy.test_keys import run
from tests.proxy.test_reload import status

BOUND_S = 60.0  # docs/scale.md promises it


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with server_of(Server(headers={"Cache-Control": "max-age=1"})) as server:
        yield server


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    return {"ann": new_key(), "ben": new_key()}


def text(keys: dict[str, str], *names: str) -> bytes:
    return "\n".join(section(name, keys[name], ROLES) for name in names).encode()


def takes(proxy: Proxy, key: str) -> bool:
    return status(proxy, key) == 200


def refuses(proxy: Proxy, key: str) -> bool:
    return status(proxy, key) == 401


def says(proxy: Proxy, words: str) -> bool:
    return any(words in line for line in proxy.said)


@pytest.fixture(scope="module")
def proxies(
    server: Server, keys: dict[str, str], shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Proxy]]:
    server.body = text(keys, "ann", "ben")
    with ExitStack() as started:
        one, two = (
            run_up(tmp_path_factory.mktemp(name), *to(shared_provider), variables={"HELIOGRAPH_CONFIG": server.url})
            for name in ("one", "two")
        )
        yield [started.enter_context(one), started.enter_context(two)]


def test_a_key_that_is_removed_is_refused_by_all_and_a_broken_text_changes_nothing(
    proxies: list[Proxy], server: Server, keys: dict[str, str]
) -> None:
    for proxy in proxies:
        assert [status(proxy, keys[name]) for name in ("ann", "ben")] == [200, 200]
    server.body = text(keys, "ann")
    for proxy in proxies:
        wait_for(partial(refuses, proxy, keys["ben"]), BOUND_S)
        assert status(proxy, keys["ann"]) == 200
    server.body = b"[keys.cyn]\nhash = 5\n"
    for proxy in proxies:
        wait_for(partial(says, proxy, "keys.cyn.hash"), BOUND_S)
        assert status(proxy, keys["ann"]) == 200
        assert status(proxy) == 401
    data = str(proxies[0].data)
    asked = run("reload", "--data", data)
    assert asked.returncode == 2
    assert "the old settings stay" in asked.stderr
    assert f"{server.url}: keys.cyn.hash" in asked.stderr
    refused = run("keys", "remove", "ann", "--data", data, "--config", server.url)
    assert refused.returncode == 1
    assert "within a minute" in refused.stderr
    server.body = text(keys, "ann", "ben")
    for proxy in proxies:
        wait_for(partial(takes, proxy, keys["ben"]), BOUND_S)
    assert "keys (ben" not in run("reload", "--data", data).stderr


def test_a_start_without_the_server_uses_the_copy(
    keys: dict[str, str], shared_provider: FakeProviders, tmp_path: Path
) -> None:
    with server_of(Server(body=text(keys, "ann"))) as gone:
        settings_file(tmp_path, gone.url, {}, asks=True)
    forget_when(tmp_path, gone.url)
    with run_up(tmp_path, "--config", gone.url, *to(shared_provider)) as proxy:
        assert [line for line in proxy.said if "The copy of" in line]
        assert status(proxy) == 401
        assert status(proxy, keys["ann"]) == 200
    never = run("up", "--data", str(tmp_path / "new"), "--config", gone.url)
    assert never.returncode == 1
    assert "there is no copy of it" in never.stderr
