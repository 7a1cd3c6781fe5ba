"""The master of `heliograph up`: options that are plain attributes."""

from mitmproxy.options import Options

from addon.mitm.lean_master import remember_scalars


def test_addons_that_are_told_of_an_option_read_its_new_value() -> None:
    """mitmproxy closes the port on this signal: with the old value a proxy that stops would go on accepting connections, and
    close each of them without an answer."""
    options, seen = Options(), []

    def configure(updated: set[str]) -> None:
        seen.append(options.server)

    options.changed.connect(configure)
    remember_scalars(options)
    options.update(server=False)
    assert seen == [False]
