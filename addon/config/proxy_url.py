"""The user and the password in a proxy URL, as clients send them in `Proxy-Authorization`. In our own URL: a label, a key."""

import base64
import re
from typing import Final

NO_KEY: Final = "x"  # the password of a URL that has a user and no key


def is_label(text: str) -> bool:
    """Whether every client sends `text` as it is in a proxy URL: unreserved characters only."""
    return re.fullmatch(r"[A-Za-z0-9._~-]{1,100}", text) is not None


def basic(user_and_password: str) -> str:
    """The value of the header for `user:password`. RFC 7617."""
    return f"Basic {base64.b64encode(user_and_password.encode()).decode()}"


def project_label(proxy_authorization: str | None) -> str | None:
    """The user part of the proxy URL (`http://LABEL:x@127.0.0.1:8787`): a project's name, not a secret."""
    label = _user_and_password(proxy_authorization)[0]
    return label if is_label(label) else None


def proxy_password(proxy_authorization: str | None) -> str | None:
    """The password of the proxy URL: a key of this proxy, where it has keys."""
    return _user_and_password(proxy_authorization)[1] or None


def _user_and_password(proxy_authorization: str | None) -> tuple[str, str]:
    scheme, _, encoded = (proxy_authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not base64, not ASCII, not UTF-8
        return "", ""
    return user, password
