"""Runs the lean proxy: in this thread for `heliograph up`, in one of its own for `heliograph run` and `demo`."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from mitmproxy import ctx, exceptions
from mitmproxy.options import Options
from mitmproxy.proxy.mode_servers import ServerInstance

from addon.config import trust
from addon.config.settings import ConfigError, Settings, cannot_listen
from addon.hooks.proxy import Proxy
from addon.main import heliograph
from addon.mitm.inherited_sockets import InheritedInstance, mode_of
from addon.mitm.lean_master import LeanMaster

logger = logging.getLogger(__name__)

Address = tuple[str, int]

# mitmproxy closes a client connection without traffic after this; a provider may think for longer than its 10 minutes.
_CLIENT_IDLE_S = 4000


class Announce:
    """Says where the proxy listens, once it does and all else is ready."""

    def __init__(self, on_listening: Callable[[Address], None]) -> None:
        self.on_listening = on_listening
        self.failure: BaseException | str | None = None

    def running(self) -> None:
        servers = ctx.master.addons.get("proxyserver").servers
        addresses = [address for server in servers for address in server.listen_addrs]
        if addresses:
            # After the `running` of the addons behind us, which have the certificates.
            asyncio.get_running_loop().call_soon(asyncio.ensure_future, self._open(servers, addresses[0][:2]))
            return
        reasons = (server.last_exception for server in servers if server.last_exception)
        self.failure = next(reasons, "the proxy does not listen")
        ctx.master.shutdown()

    async def _open(self, servers: Iterable[ServerInstance[Any]], address: Address) -> None:
        for server in servers:
            if isinstance(server, InheritedInstance):
                await server.accept()
        self.on_listening(address)


async def serve(
    settings: Settings,
    listen: Address,
    on_listening: Callable[[Address], None],
    proxy: Proxy | None = None,
    handle_signals: bool = True,
    on_start: Callable[[LeanMaster], None] = lambda master: None,
    sockets: Sequence[int] = (),
) -> None:
    """Runs the proxy until it is told to stop. `sockets`: descriptors of listening sockets, which are bound to `listen`;
    without them it makes its own. Raises ConfigError and OSError (NotOurs among them) where it cannot start."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("mitmproxy").setLevel(logging.ERROR)  # it makes a record of every connection; nobody reads them
    logging.getLogger("mitmproxy.addons.proxyserver").setLevel(
        logging.CRITICAL
    )  # why it cannot listen: told by Announce
    trust.make_ca(settings.data)
    named = trust.named_roots(os.environ)
    for line in named.unreadable:
        logger.warning("heliograph: %s; calls of hosts whose certificate needs it will fail", line)
    announce = Announce(on_listening)
    # From the start: mitmproxy makes an authority in its usual folder for options that name none.
    options = Options(
        confdir=str(trust.ca_folder(settings.data)),
        ssl_verify_upstream_trusted_ca=str(trust.write_upstream_roots(settings.data, named.roots)),
    )
    try:
        master = LeanMaster(options, [*heliograph(proxy or Proxy(), settings), announce])
        options.update(
            listen_host=listen[0],
            listen_port=listen[1],
            tcp_timeout=_CLIENT_IDLE_S,
            **({"mode": [mode_of(sockets)]} if sockets else {}),
        )
    except exceptions.OptionsError as error:  # the form that mitmproxy wants; the cause is our own error
        raise error.__cause__ or ConfigError(str(error)) from None
    if handle_signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, master.shutdown)
        # This process is the proxy's alone. The garbage collector would look through the 200,000 objects that are here for
        # good, again and again, and stop all calls for 100 ms each time.
        gc.freeze()
    on_start(master)
    await master.run()
    if announce.failure:
        raise cannot_listen(listen, announce.failure)


class ProxyThread:
    """The proxy beside the rest of this process: a context manager; `address` is where it listens."""

    def __init__(self, settings: Settings, listen: Address = ("127.0.0.1", 0)) -> None:
        self.proxy = Proxy()
        self.address: Address = listen
        self._settings, self._listen = settings, listen
        self._listening = threading.Event()
        self._master: LeanMaster | None = None
        self._to_end = False
        self._failure: BaseException | None = None
        self._signals: set[int] = set()  # that are blocked in the thread that starts us
        self._thread = threading.Thread(target=self._run, name="heliograph proxy")

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._signals)

        def listening(address: Address) -> None:
            self.address = address
            self._listening.set()

        def started(master: LeanMaster) -> None:
            self._master = master
            if self._to_end:
                master.shutdown()

        try:
            asyncio.run(serve(self._settings, self._listen, listening, self.proxy, False, started))
        except BaseException as error:  # raised again in the thread that started us
            self._failure = error
        finally:
            self._listening.set()

    def __enter__(self) -> Self:
        try:
            # A Ctrl-C before Python knows that the thread runs would leave it behind, starting, while this process ends.
            self._signals = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                self._thread.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, self._signals)
            self._listening.wait()
        except BaseException:  # Ctrl-C: the thread would keep this process for ever
            self._end()
            raise
        if self._failure:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: calls under way end, everything is settled."""
        self._end()

    def _end(self) -> None:
        self._to_end = True
        if self._master:
            with contextlib.suppress(RuntimeError):  # its loop has ended by itself
                self._master.shutdown()
        if self._thread.is_alive():
            self._thread.join()
