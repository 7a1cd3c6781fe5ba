"""Addresses in all their spellings, and names that can never be resolved."""

import pytest

from addon.routing.addresses import address_of, is_listened_on, is_loopback, is_public, wrong_name


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "127.0.0.2", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1."),
        *("::1", "[::1]", "[::ffff:127.0.0.1]", "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "::1%lo"),
        *("localhost", "LOCALHOST", "localhost.", "oai.localhost"),
    ],
)
def test_every_spelling_of_loopback_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "", "::", "10.0.0.1", "8.8.8.8", "example.org", "localhost.example.org", "127.0.0.1.example.org"],
)
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "0.0.0.0",
            "::",
            "169.254.169.254",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "fe80::1",
            "fec0::1",
        ),
        *("fd00:ec2::254", "::ffff:169.254.169.254", "2002:a00:1::", "64:ff9b::a9fe:a9fe", "::127.0.0.1", "224.0.0.1"),
        "not an address",
    ],
)
def test_an_address_that_is_not_out_in_the_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("host", ["api.openai.com", "1.2.3.4.5", "0x", "999.1.1.1", "1e3", "", "1 2"])
def test_a_name_is_not_an_address(host: str) -> None:
    assert address_of(host) is None


@pytest.mark.parametrize(
    ("peer", "local", "listening", "found"),
    [
        (("127.0.0.1", 8787), ("127.0.0.1", 50000), ("127.0.0.1", 8787), True),
        (("::ffff:127.0.0.1", 8787), ("::ffff:127.0.0.1", 50000), ("127.0.0.1", 8787), True),
        (("127.0.0.9", 8787), ("127.0.0.1", 50000), ("0.0.0.0", 8787), True),
        (("127.0.0.9", 8787), ("127.0.0.1", 50000), ("", 8787), True),
        (("10.0.0.5", 8787), ("10.0.0.5", 50000), ("::", 8787), True),
        (("::1", 8787), ("::1", 50000), ("::", 8787), True),
        (("10.0.0.6", 8787), ("10.0.0.5", 50000), ("0.0.0.0", 8787), False),
        (("127.0.0.1", 8788), ("127.0.0.1", 50000), ("127.0.0.1", 8787), False),
        (("127.0.0.2", 8787), ("127.0.0.1", 50000), ("127.0.0.1", 8787), False),
    ],
)
def test_a_connection_to_ourselves_is_told_by_its_two_ends(
    peer: tuple[str, int], local: tuple[str, int], listening: tuple[str, int], found: bool
) -> None:
    assert is_listened_on(peer, local, [listening]) is found


@pytest.mark.parametrize(
    "host", ["a" * 70, "a..b", ".a", "a." + "b" * 64, "", "x y", "a/b", "a" * 60 + ".b" * 120, "\xad"]
)
def test_a_name_that_can_never_be_resolved_is_told(host: str) -> None:
    assert wrong_name(host)


@pytest.mark.parametrize(
    "host", ["api.openai.com", "my_server", "bücher.example", "[::1]", "127.1", "a." + "b" * 63, "x."]
)
def test_a_name_that_may_be_resolved_is_right(host: str) -> None:
    assert wrong_name(host) is None
