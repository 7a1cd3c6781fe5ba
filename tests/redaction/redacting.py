"""Redactors for the tests, and a value of each kind."""

from addon.redaction.redactor import Redactor
from addon.redaction.rules import OwnPattern, Rules

KEY = b"0123456789abcdef0123456789abcdef"
EVERYTHING = Rules(
    patterns=("keys", "cards", "mail", "phone", "iban", "ip"),
    own=(OwnPattern("employee", "EMP-[0-9]{4,}"),),
    users=True,
)
SECRETS = {
    "mail": "alice@example.org",
    "card": "4111 1111 1111 1111",
    "iban": "DE89 3704 0044 0532 0130 00",
    "phone": "+49 151 1234-5678",
    "ip": "203.0.113.7",
    "key": "sk-proj-abcDEF1234567890abcdef",
    "employee": "EMP-12345",
}


def redactor(rules: Rules = EVERYTHING) -> Redactor:
    return Redactor(rules, KEY)
