"""The proxy of tests/proxy, for those who attack it."""

from tests.proxy.conftest import provider, proxy, shared_provider, shared_proxy  # noqa: F401
