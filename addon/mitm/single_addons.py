"""Imports a few of mitmproxy's addons without all the others, which bring a web framework and LDAP: a third of a start."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from typing import Final

_PACKAGE: Final = "mitmproxy.addons"


@contextmanager
def single_addons() -> Iterator[None]:
    """In this block `from mitmproxy.addons import core` imports that module alone: the package's own `__init__`, which imports
    every addon, is not run. Later imports of the package run it. Under mitmdump, which has imported it, nothing changes."""
    spec = None if _PACKAGE in sys.modules else find_spec(_PACKAGE)
    if spec is None:
        yield
        return
    sys.modules[_PACKAGE] = module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules[_PACKAGE]
