"""What the proxy and the process behind its endpoints tell each other; no caller can send these."""

from typing import Final

TOKEN: Final = "heliograph-token"  # that it is the proxy who asks
CALLER: Final = "heliograph-caller"  # the address of the caller
COUNTS: Final = "heliograph-counts"  # JSON: what only the proxy knows of itself, for /metrics
TOKEN_VARIABLE: Final = "HELIOGRAPH_API_TOKEN"  # where the process finds the token
