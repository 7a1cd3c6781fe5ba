"""What is known of a request before there is a call, in `flow.metadata`.

mitmproxy copies that dictionary and writes it to flow files (`-w`): texts, numbers, truth values and tuples only.
"""

from typing import Final

OWN: Final = "heliograph_own"  # bool: the request was sent to this proxy as to a server, not through it
ENDPOINT: Final = "heliograph_endpoint"  # str: the path of one of our own endpoints that was asked for
