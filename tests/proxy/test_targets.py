import asyncio

import pytest

from addon.routing.addresses import first_private, is_public
from addon.routing.targets import is_approved, resolve


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::1.1.1.1"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.1.2.3", "::1", "0.0.0.0", "::"),  # this machine
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1"),  # private
        *("169.254.169.254", "fe80::1", "fe80::1%eth0"),  # link-local: where clouds keep their secrets
        *("224.0.0.1", "ff02::1", "ff0e::1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"),  # IPv4 in IPv6
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo: the client's own address, 127.0.0.1, is in it
        *("", "localhost", "1.1.1", "example.org"),
    ],
)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)


def test_one_private_address_among_public_ones_is_found() -> None:
    assert first_private(["1.1.1.1", "10.0.0.7"]) == "10.0.0.7"
    assert first_private(["1.1.1.1", "2606:4700:4700::1111"]) is None


@pytest.mark.parametrize("host", ["Shop.azure-api.net", "storage.googleapis.com", "gateway.ai.cloudflare.com."])
def test_a_host_of_helicones_list_is_approved(host: str) -> None:
    assert is_approved(host)


@pytest.mark.parametrize(
    "host", ["azure-api.net.evil.example", "a.b.azure-api.net", "azure-api.net", "example.org", "127.0.0.1", ""]
)
def test_every_other_host_is_not_approved(host: str) -> None:
    assert not is_approved(host)


def test_a_name_is_resolved_to_all_its_addresses() -> None:
    found = asyncio.run(resolve("localhost", 80))
    assert found and not any(is_public(address) for address in found)
    with pytest.raises(OSError):
        asyncio.run(resolve("nothing.invalid", 80))
