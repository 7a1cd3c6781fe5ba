"""A running proxy takes changes of heliograph.toml over."""

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from addon.demo.providers import FakeProviders
from addon.metering.fetched_list import keep
from tests.commands.price_lists import as_bytes, published
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_mitmdump, run_up, to, wait_for
from tests.proxy.test_keys import CHAT_PATH, made_key, run

PRICE = '[[prices]]\nprovider = "openai"\nmodel = "*"\nname = "{name}"\ninput_usd_per_million = {usd}\noutput_usd_per_million = 0\n'


def status(proxy: Proxy, key: str = "") -> int:
    headers = {"Helicone-Auth": f"Bearer {key}"} if key else {}
    return plain(proxy).post(CHAT_PATH, json=CHAT, headers=headers).status_code


def test_keys_are_added_and_removed_without_a_restart(tmp_path: Path, shared_provider: FakeProviders) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        assert status(proxy) == 200
        first, second = made_key(tmp_path, "first"), made_key(tmp_path, "second")
        wait_for(lambda: status(proxy) == 401)
        wait_for(lambda: status(proxy, second) == 200)
        assert status(proxy, first) == 200
        assert run("keys", "remove", "first", "--data", str(tmp_path)).returncode == 0
        wait_for(lambda: status(proxy, first) == 401)
        assert status(proxy, second) == 200


def test_a_changed_price_holds_for_the_next_calls_and_a_mistake_changes_nothing(
    tmp_path: Path, shared_provider: FakeProviders
) -> None:
    file = tmp_path / "heliograph.toml"
    file.write_text(PRICE.format(name="old", usd=1))

    def source_of_a_call() -> str:
        answer = plain(proxy).post(CHAT_PATH, json=CHAT)
        return str(proxy.row(answer.headers["helicone-id"])["cost_source"])

    with run_up(tmp_path, *to(shared_provider)) as proxy:
        assert source_of_a_call() == "override old"
        file.write_text("[timeout]\n" + PRICE.format(name="wrong", usd='"free"'))
        wait_for(lambda: [line for line in proxy.said if "'timeouts'" in line])
        wait_for(lambda: [line for line in proxy.said if "'free' is not a price" in line])
        assert source_of_a_call() == "override old"
        file.write_text(PRICE.format(name="new", usd=2))
        wait_for(lambda: source_of_a_call() == "override new")
        assert len([line for line in proxy.said if "'timeouts'" in line]) == 1


def test_a_key_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    made_key(tmp_path, "laptop")
    before = (tmp_path / "heliograph.toml").read_bytes()
    done = run("keys", "remove", "latop", "--data", str(tmp_path))
    assert done.returncode == 2
    assert "did you mean 'laptop'; there are laptop" in done.stderr
    assert (tmp_path / "heliograph.toml").read_bytes() == before


def test_a_fetched_price_list_holds_for_the_next_calls_until_its_file_is_deleted(
    tmp_path: Path, shared_provider: FakeProviders
) -> None:
    def source_of_a_call() -> str:
        answer = plain(proxy).post(CHAT_PATH, json=CHAT)
        return str(proxy.row(answer.headers["helicone-id"])["cost_source"])

    with run_up(tmp_path, *to(shared_provider)) as proxy:
        installed = source_of_a_call()
        assert installed.startswith("genai-prices ")
        now = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
        kept = keep(tmp_path, as_bytes(published()), "http://127.0.0.1/data.json", now)
        wait_for(lambda: source_of_a_call() == "genai-prices fetched 2026-11-21T12:30Z")
        kept.unlink()
        wait_for(lambda: source_of_a_call() == installed)


def test_reload_says_what_changed_and_what_needs_a_restart(tmp_path: Path, shared_provider: FakeProviders) -> None:
    file = tmp_path / "heliograph.toml"
    reload = ("reload", "--data", str(tmp_path))
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        wait_for(lambda: run(*reload).stdout.endswith("nothing has changed\n"))
        file.write_text('[[limits]]\nname = "house"\nquota = 5\nwindow = "1h"\n\n[cache]\nmax_bytes = 1000000\n')
        done = run(*reload)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (
            f"proxy on {proxy.url.removeprefix('http://')} (process {proxy.process.pid}): "
            "limits (house added); needs a restart: [cache]\n"
        )
        file.write_text("[limit]\n")
        wrong = run(*reload)
        assert wrong.returncode == 2
        assert "the old settings stay" in wrong.stderr
        assert "did you mean 'limits'" in wrong.stderr
        answer = plain(proxy).post(CHAT_PATH, json=CHAT)
        assert answer.headers["helicone-ratelimit-limit"] == "5", "the limit is in use, and the mistake changed nothing"
        wait_for(lambda: [line for line in proxy.said if "settings read again: limits (house added)" in line])
    none = run(*reload)
    assert none.returncode == 2, "the file is still wrong"
    file.unlink()
    none = run(*reload)
    assert none.returncode == 1
    assert "no proxy runs on" in none.stderr


def test_a_proxy_whose_terminal_is_closed_ends_in_order(tmp_path: Path, shared_provider: FakeProviders) -> None:
    """SIGHUP means both: read the settings again, and the terminal is gone."""
    ours, theirs = os.openpty()
    with run_up(tmp_path, *to(shared_provider), stdin=theirs, start_new_session=True) as proxy:
        os.close(theirs)
        assert status(proxy) == 200
        proxy.process.send_signal(signal.SIGHUP)
        wait_for(lambda: [line for line in proxy.said if "settings read again: nothing has changed" in line])
        os.close(ours)
        proxy.process.send_signal(signal.SIGHUP)
        assert proxy.process.wait(60) == 0
    assert [line for line in proxy.said if "1 call, 0 errors" in line]


def test_plain_mitmdump_reads_its_settings_again_at_sighup(tmp_path: Path) -> None:
    with run_mitmdump(tmp_path) as proxy:
        wait_for(lambda: run("reload", "--data", str(tmp_path)).returncode == 0)
        wait_for(lambda: [line for line in proxy.said if "settings read again: nothing has changed" in line])
