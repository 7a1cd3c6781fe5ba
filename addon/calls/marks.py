"""What is known of a request before there is a call, in `flow.metadata`.

mitmproxy copies that dictionary and writes it to flow files (`-w`): texts, numbers, truth values and tuples only.
"""

from typing import Final

OWN: Final = "heliograph_own"  # bool: the request was sent to this proxy as to a server, not through it
ASKED_HOST: Final = (
    "heliograph_asked_host"  # str: host and port as the caller named them, before mitmproxy's modes change them
)
ADMITTED: Final = (
    "heliograph_admitted"  # (str, str): the hash of the key that a CONNECT brought, in the settings and in rows
)
PAGE: Final = "heliograph_page"  # str: the origin of an allowed web page that sent the request
ENDPOINT: Final = "heliograph_endpoint"  # str: the path of one of our own endpoints that was asked for
ENDED_BY: Final = "heliograph_ended_by"  # str: a Failure, of a request that is not one of `Calls.of`
