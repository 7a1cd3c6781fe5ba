from decimal import Decimal

import pytest

from addon.limits.policy import Policy, parse_policy


@pytest.mark.parametrize(
    ("text", "policy", "normalised"),
    [
        ("10;w=60", Policy(quota=Decimal(10), window_s=60), "10;w=60"),
        (" 10;w=60;u=request ", Policy(quota=Decimal(10), window_s=60), "10;w=60"),
        ("2.50;w=1", Policy(quota=Decimal("2.5"), window_s=1), "2.5;w=1"),
        ("1000;W=3600;U=Cents;S=User", Policy(quota=Decimal(1000), window_s=3600, unit="cents", segment="user"), None),
        (
            "5;w=31536000;s=Organization-Id",
            Policy(quota=Decimal(5), window_s=31536000, segment="organization-id"),
            None,
        ),
    ],
)
def test_a_callers_policy_is_read_and_named_again(text: str, policy: Policy, normalised: str | None) -> None:
    assert parse_policy(text) == policy
    assert str(policy) == (normalised or text.lower())


@pytest.mark.parametrize("text", ["100;w=3600", "0.5;w=7;u=cents;s=user", "1000000000000;w=31536000;s=a-b_c"])
def test_a_normalised_policy_reads_as_itself(text: str) -> None:
    assert str(parse_policy(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "quota;w=seconds"),
        ("ten;w=60", "quota;w=seconds"),
        ("10", "quota;w=seconds"),
        ("-1;w=60", "quota;w=seconds"),
        ("10;w=1.5", "quota;w=seconds"),
        ("10;s=user;w=60", "quota;w=seconds"),
        ("10;w=60;s=a b", "quota;w=seconds"),
        ("\u0661;w=60", "quota;w=seconds"),
        ("0;w=60", "allowed are 0.000001 to 1000000000000"),
        ("9" * 80 + ";w=60", "allowed are 0.000001 to 1000000000000"),
        ("10;w=0", "allowed are 1 to 31536000"),
        ("10;w=31536001", "allowed are 1 to 31536000"),
        ("10;w=" + "9" * 5000, "is longer than any policy"),
        ("10;w=60;u=tokens", "allowed are u=request, u=cents"),
        ("10;w=60;u=dollars", "allowed are u=request, u=cents"),
    ],
)
def test_a_bad_policy_says_what_is_allowed(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_policy(text)
