"""The master of `heliograph up`: options that are plain attributes, and no addons but the few it needs."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

from mitmproxy.options import Options

from addon.mitm.lean_master import LeanMaster, remember_constants


def test_addons_that_are_told_of_an_option_read_its_new_value() -> None:
    """mitmproxy closes the port on this signal: with the old value a proxy that stops would go on accepting connections, and
    close each of them without an answer."""
    options, seen = Options(), []

    def configure(updated: set[str]) -> None:
        seen.append(options.server)

    options.changed.connect(configure)
    remember_constants(options)
    options.update(server=False)
    assert seen == [False]


def test_lists_of_hosts_are_read_anew_only_where_they_have_hosts() -> None:
    options = Options()
    remember_constants(options)
    assert options.ignore_hosts is options.ignore_hosts and not options.ignore_hosts
    options.update(ignore_hosts=["example.org"])
    assert options.ignore_hosts == ["example.org"]
    options.ignore_hosts.append("example.com")
    assert options.ignore_hosts == ["example.org"]
    options.update(ignore_hosts=[])
    assert not options.ignore_hosts


def test_only_the_addons_that_proxying_needs_are_imported_and_all_are_there_for_later_imports() -> None:
    program = """
        import sys
        from addon.mitm import lean_master
        assert "mitmproxy.addons.proxyauth" not in sys.modules
        import mitmproxy.addons
        assert any(type(addon) is lean_master.core.Core for addon in mitmproxy.addons.default_addons())
        assert "mitmproxy.addons.proxyauth" in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_what_addons_opened_is_closed_where_it_is_told_to_end_before_it_listens(tmp_path: Path) -> None:
    seen = []

    class Opened:
        def running(self) -> None:
            seen.append("running")

        def done(self) -> None:
            seen.append("done")

    async def ends_at_its_start() -> None:
        master = LeanMaster(Options(confdir=str(tmp_path), listen_host="127.0.0.1", listen_port=0), [Opened()])
        master.shutdown()
        await master.run()

    asyncio.run(ends_at_its_start())
    assert seen == ["done"]
