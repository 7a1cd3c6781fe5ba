"""Which callers an endpoint answers: by key and role, or without keys only this machine under a name that is ours."""

import pytest

from addon.config.keys import Key, Role, hash_of
from addon.routing.access import deny_endpoint, holder

READER = Key(name="grafana", hash=hash_of("sk-reader"), roles=frozenset({"read"}))
WRITER = Key(name="ci", hash=hash_of("sk-writer"), roles=frozenset({"write", "read"}))
KEYS = (READER, WRITER)


@pytest.mark.parametrize("credential", ["sk-reader", "Bearer sk-reader", "Bearer  sk-reader "])
def test_a_key_is_known_with_and_without_bearer(credential: str) -> None:
    assert holder(KEYS, credential) is READER


@pytest.mark.parametrize("credential", [None, "", "Bearer ", "sk-Reader", "sk-reader2", READER.hash])
def test_other_texts_are_not_keys(credential: str | None) -> None:
    assert holder(KEYS, credential) is None


def denied(
    *credentials: str, role: Role = "read", keys: tuple[Key, ...] = KEYS, local: bool = True, ours: bool = True
) -> int:
    denial = deny_endpoint(keys, role, credentials=credentials, is_local=local, host_is_ours=ours)
    return denial.status if denial else 0


def test_with_keys_the_key_decides_wherever_the_caller_is() -> None:
    assert denied("sk-reader", local=False, ours=False) == 0
    assert denied(local=True) == 401
    assert denied("sk-nobody") == 401
    assert denied("sk-reader", role="write") == 403
    assert denied("sk-nobody", "sk-writer", role="write") == 0  # of several headers one may hold the key


def test_without_keys_only_this_machine_is_answered_under_a_name_of_ours() -> None:
    assert denied(keys=()) == 0
    assert denied(keys=(), local=False) == 403
    assert denied(keys=(), ours=False) == 403


def test_a_denial_tells_no_key_an_unknown_key_and_a_missing_role_apart() -> None:
    def message(*credentials: str, role: Role = "read") -> str:
        denial = deny_endpoint(KEYS, role, credentials=credentials, is_local=True, host_is_ours=True)
        assert denial
        return denial.message

    assert message().startswith("no key was sent")
    assert message("sk-nobody").startswith("this key is unknown")
    assert "'grafana' may only read" in message("sk-reader", role="write")
