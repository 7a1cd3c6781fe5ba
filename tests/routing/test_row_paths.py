"""What of a path and its query a row keeps."""

import pytest

from addon.routing.router import without_secrets


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/v1/x", "/v1/x"),
        ("/v1/x?", "/v1/x"),
        ("/v1/x?api-version=2024-10-21&key=AIza", "/v1/x?api-version=2024-10-21"),
        ("/v1/x?alt=sse&%6Bey=AIza", "/v1/x?alt=sse"),
        ("/v1/x?sk-secret", "/v1/x"),
        ("/v1/x?my_gateway_secret=1&beta=true", "/v1/x?beta=true"),
        ("/v1/x?beta=" + "s" * 65, "/v1/x"),
        ("/v1/x?beta=a%20b", "/v1/x"),
        ("/v1/realtime?model=gpt-realtime&session=s3cret", "/v1/realtime?model=gpt-realtime"),
    ],
)
def test_a_row_keeps_parameters_that_are_known_to_be_no_secrets(target: str, kept: str) -> None:
    assert without_secrets(target) == kept
