"""A lean mitmproxy: only the addons that proxying needs, and handlers and options looked up once.

Stock mitmdump walks 35 addons at every hook of every request and copies an option at every look: more than half of its
CPU (docs/performance.md). Here both are tables, made once and made anew when something changes.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any, Final

from mitmproxy import exceptions, hooks
from mitmproxy.addonmanager import AddonManager, traverse
from mitmproxy.flow import Flow
from mitmproxy.options import Options

from addon.mitm.single_addons import single_addons

with single_addons():
    from mitmproxy import master  # it imports one of them
    from mitmproxy.addons import core, disable_h2c, next_layer, proxyserver, tlsconfig

logger = logging.getLogger(__name__)

Handler = Callable[..., Any]


def _arguments(hook: hooks.Hook) -> list[Any]:
    """As `hook.args()`, which looks through the dataclass each time."""
    kind: Any = type(hook)  # mypy does not know that classes can be hashed whose instances cannot
    return [getattr(hook, name) for name in _names(kind)]


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


class TableAddonManager(AddonManager):
    """Keeps a table of the handlers of each hook, so that no addon is asked twice. `speed_up` turns an existing manager into one."""

    _table: dict[str, list[Handler]]
    # Hooks that `call_at_once` began: what is to be awaited, and the handlers after it.
    _begun: dict[hooks.Hook, tuple[Awaitable[Any] | None, Iterator[Handler]]]

    def register(self, addon: Any) -> Any:
        self._table = {}
        return super().register(addon)

    def add(self, *addons: Any) -> None:
        super().add(*addons)
        self._table = {}

    def remove(self, addon: Any) -> None:
        super().remove(addon)
        self._table = {}

    def number_of_handlers(self, name: str) -> int:
        """How many addons handle this hook."""
        return len(self._handlers(name))

    def call_at_once(self, hook: hooks.Hook) -> bool:
        """Calls the hook's handlers here and now. False: one of them must be awaited, or the flow is held by a person;
        `handle_lifecycle` goes on from there."""
        if hook in self._begun:
            return False
        arguments = _arguments(hook)
        handlers = iter(self._handlers(hook.name))
        waits = self._call_until_one_waits(handlers, hook.name, arguments)
        flow = arguments[0]
        if waits is None and not (isinstance(flow, Flow) and (flow.intercepted or self._handlers("update"))):
            return True
        self._begun[hook] = waits, handlers if waits else iter(())
        return False

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        arguments = _arguments(event)
        if event in self._begun:
            waits, handlers = self._begun.pop(event)
        else:
            waits, handlers = None, iter(self._handlers(event.name))
        await self._call_rest(waits, handlers, event.name, arguments)
        if isinstance(arguments[0], Flow) and (watchers := self._handlers("update")):
            await self._call_rest(None, iter(watchers), "update", [[arguments[0]]])

    async def trigger_event(self, event: hooks.Hook) -> None:
        await self._call_rest(None, iter(self._handlers(event.name)), event.name, _arguments(event))

    def _handlers(self, name: str) -> list[Handler]:
        handlers = self._table.get(name)
        if handlers is None:
            found = (getattr(addon, name, None) for addon in traverse(self.chain))
            handlers = self._table[name] = [handler for handler in found if callable(handler)]
        return handlers

    async def _call_rest(
        self, waits: Awaitable[Any] | None, handlers: Iterator[Handler], name: str, arguments: list[Any]
    ) -> None:
        """`waits`: what the handler before the first of these answered."""
        waits = waits or self._call_until_one_waits(handlers, name, arguments)
        while waits is not None:
            try:
                await waits
            except exceptions.AddonHalt:
                return
            except exceptions.OptionsError:
                raise
            except Exception:
                _log_error(name)
            waits = self._call_until_one_waits(handlers, name, arguments)

    @staticmethod
    def _call_until_one_waits(handlers: Iterator[Handler], name: str, arguments: list[Any]) -> Awaitable[Any] | None:
        """What the first handler answered that must be awaited; None: all are called."""
        for handler in handlers:
            try:
                result = handler(*arguments)
                if result is not None and inspect.isawaitable(result):
                    return result
            except exceptions.AddonHalt:
                return None
            except exceptions.OptionsError:
                raise
            except Exception:
                _log_error(name)
        return None


def _log_error(hook_name: str) -> None:
    logger.exception("heliograph: error in the hook %s", hook_name)  # and the call goes on


def speed_up(addons: AddonManager) -> None:
    """Give a stock mitmdump's manager the table, too: its addons all stay, and stay in order."""
    if type(addons) is AddonManager:
        addons.__class__ = TableAddonManager
        addons._table, addons._begun = {}, {}  # type: ignore[attr-defined]


# Values that cannot be changed in place need no copy at each look.
_CONSTANTS: Final = (str, bool, int, float, type(None), tuple)


def remember_constants(options: Options) -> None:
    """Let `options.x` be a plain attribute where it can be: the manager copies deeply otherwise, several times a piece."""

    def remember(updated: set[str]) -> None:
        for name in updated:
            value = options._options[name].current()
            value = () if value == [] else value  # hosts that are ignored, asked for at each new connection
            if isinstance(value, _CONSTANTS):
                options.__dict__[name] = value
            else:
                options.__dict__.pop(name, None)

    remember(set(options.keys()))
    options.__dict__["_remember"] = remember  # the signal keeps weak references only
    options.changed.connect(remember)
    # Before the addons: on the same signal mitmproxy opens and closes its ports by the new values.
    options.changed.receivers.insert(0, options.changed.receivers.pop())


class LeanMaster(master.Master):
    def __init__(self, options: Options, addons: list[object]) -> None:
        super().__init__(options, event_loop=asyncio.get_running_loop())
        self._was_running = False
        speed_up(self.addons)
        self.addons.add(
            core.Core(),
            disable_h2c.DisableH2C(),
            proxyserver.Proxyserver(),
            *addons,
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
        )
        remember_constants(options)

    async def run(self) -> None:
        """As mitmproxy's, which leaves out `done` where it is told to end while it makes its ports: what addons opened is closed
        there, too."""
        await super().run()
        if not self._was_running:
            await self.done()

    async def running(self) -> None:
        self._was_running = True
        await super().running()
