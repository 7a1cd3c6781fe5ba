"""Check digits and shapes that tell a real number from one that only looks like it. Pure."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

# The first digits of each network's numbers, and the lengths they have. https://en.wikipedia.org/wiki/Payment_card_number
_NETWORKS: Final = (
    (range(4, 5), (13, 16, 19)),  # Visa
    (range(51, 56), (16,)),  # Mastercard
    (range(2221, 2721), (16,)),
    (range(34, 35), (15,)),  # American Express
    (range(37, 38), (15,)),
    (range(300, 306), (14,)),  # Diners Club
    (range(3095, 3096), (14,)),
    (range(36, 37), (14,)),
    (range(38, 40), (14,)),
    (range(6011, 6012), (16, 19)),  # Discover
    (range(644, 650), (16, 19)),
    (range(65, 66), (16, 19)),
    (range(3528, 3590), (16, 19)),  # JCB
    (range(62, 63), (16, 17, 18, 19)),  # UnionPay
    (range(50, 51), (13, 15, 16, 19)),  # Maestro
    (range(56, 59), (13, 15, 16, 19)),
    (range(6304, 6305), (13, 15, 16, 19)),
    (range(67, 68), (13, 15, 16, 19)),
)
# Length of an IBAN by country. https://www.swift.com/standards/data-standards/iban-international-bank-account-number
_IBAN_LENGTHS: Final = {
    **dict.fromkeys(("NO",), 15),
    **dict.fromkeys(("BE",), 16),
    **dict.fromkeys(("DK", "FO", "FI", "GL", "NL", "SD", "FK"), 18),
    **dict.fromkeys(("MK", "SI"), 19),
    **dict.fromkeys(("AT", "BA", "EE", "KZ", "XK", "LT", "LU", "MN"), 20),
    **dict.fromkeys(("HR", "LV", "LI", "CH"), 21),
    **dict.fromkeys(("BH", "BG", "CR", "GE", "DE", "IE", "ME", "RS", "GB", "VA"), 22),
    **dict.fromkeys(("TL", "GI", "IQ", "IL", "OM", "SO", "AE"), 23),
    **dict.fromkeys(("AD", "CZ", "MD", "PK", "RO", "SA", "SK", "ES", "SE", "TN", "VG"), 24),
    **dict.fromkeys(("LY", "PT", "ST"), 25),
    **dict.fromkeys(("IS", "TR"), 26),
    **dict.fromkeys(("BI", "DJ", "FR", "GR", "IT", "MR", "MC", "SM"), 27),
    **dict.fromkeys(("AL", "AZ", "BY", "CY", "DO", "SV", "GT", "HN", "HU", "LB", "NI", "PL"), 28),
    **dict.fromkeys(("BR", "EG", "PS", "QA", "UA"), 29),
    **dict.fromkeys(("JO", "KW", "MU", "YE"), 30),
    **dict.fromkeys(("MT", "SC"), 31),
    **dict.fromkeys(("LC",), 32),
    **dict.fromkeys(("RU",), 33),
}
# Digits in ASCII to the sum of the digits of their double.
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_GROUP: Final = re.compile(rb"[0-9A-Za-z]+")


def card_length(text: bytes) -> int:
    """How many bytes at the beginning are a card number with its separators; 0: none. The longest one counts."""
    for end, digits in reversed(list(_grouped(text))):
        if 13 <= len(digits) <= 19 and _is_of_a_network(digits) and luhn(digits):
            return end
    return 0


def luhn(digits: bytes) -> bool:
    """Whether the last digit fits the others. ISO/IEC 7812-1, annex B."""
    plain, doubled = digits[::-2], digits[-2::-2]
    return (sum(plain) - 48 * len(plain) + sum(doubled.translate(_DOUBLED))) % 10 == 0


def _is_of_a_network(digits: bytes) -> bool:
    return any(len(digits) in lengths and int(digits[: len(str(first.start))]) in first for first, lengths in _NETWORKS)


def iban_length(text: bytes) -> int:
    """How many bytes at the beginning are an IBAN with its separators; 0: none. ISO 13616, ISO 7064 MOD 97-10."""
    wanted = _IBAN_LENGTHS.get(text[:2].decode("ascii").upper())
    for end, characters in _grouped(text):
        if len(characters) == wanted:
            turned = (characters[4:] + characters[:4]).decode("ascii")
            return end if int("".join(str(int(each, 36)) for each in turned)) % 97 == 1 else 0
    return 0


def phone_length(text: bytes) -> int:
    """All of it where it may be a phone number, 0 where it has too few or too many digits or is a date."""
    digits = sum(48 <= each <= 57 for each in text)
    is_date = text[2:3] in (b".", b"/", b"-") and text[5:6] == text[2:3]  # 01.02.2026
    return len(text) if 9 <= digits <= 15 and not (is_date and text[:1] == b"0") else 0


def address_length(text: bytes) -> int:
    """All of it where it is an IP address that is not this machine's own, 0 otherwise."""
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return 0
    return 0 if address.is_loopback or address.is_unspecified else len(text)


def _grouped(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Letters and digits up to each place where a group of them ends, with that place."""
    found = b""
    for group in _GROUP.finditer(text):
        found += group[0]
        yield group.end(), found
