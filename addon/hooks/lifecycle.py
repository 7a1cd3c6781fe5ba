"""Start and end of the proxy: mitmproxy's options, opening what the settings name, the settler process, shutdown."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Final

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.mode_specs import ProxyMode

from addon.config.places import CONFIG_VARIABLE, data_folder
from addon.config.reload import file_settings, taken_over
from addon.config.remote_copy import settings_file
from addon.config.remote_text import Unreachable
from addon.config.settings import ConfigError, Settings, load
from addon.hooks import tape_options
from addon.hooks.api_process import ApiProcess
from addon.hooks.helpers import Helpers
from addon.hooks.leaving import leave
from addon.hooks.parent import Parent
from addon.hooks.proxy import Proxy
from addon.hooks.services import Services, open_services
from addon.hooks.settings_watch import SettingsWatch, Watched
from addon.routing.addresses import is_loopback

logger = logging.getLogger(__name__)

_OPTION_PREFIX: Final = "heliograph_"
# Calls under way may end before the process does, up to here; an agent's long answer is worth waiting for.
_DRAIN_S: Final = 30.0
_COUNT_EVERY_S: Final = 1.0  # what is open in a worker: other workers tell of it, too

type MakeAddons = Callable[[Proxy, Services], list[object]]


class Lifecycle:
    """`settings` are given by `heliograph up`; under plain mitmdump they come from `--set heliograph_...`. The addons of a
    call are made when the settings are known and all that they name is open: until then nothing is let through."""

    def __init__(self, proxy: Proxy, make_addons: MakeAddons, settings: Settings | None = None) -> None:
        self.proxy = proxy
        self.settings = settings
        self.addons: list[object] = []  # mitmproxy visits them after us, in this order
        self._make_addons = make_addons
        self._services: Services | None = None
        self._helpers: Helpers | None = None
        self._watch: SettingsWatch | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._drained_by: float | None = None  # loop time: calls under way have until then
        self._loaded = False

    def load(self, loader: Loader) -> None:
        loader.add_option("heliograph_data", str, "", "Folder of the journal, the lake and the settings.")
        loader.add_option(
            "heliograph_config", str, "", "Settings file or URL; default: heliograph.toml in the data folder."
        )
        loader.add_option("heliograph_upstreams", Sequence[str], [], "Where providers live: NAME=URL, repeatable.")
        tape_options.add_options(loader)
        # A call that is answered from here must not open a connection, and the provider may be out of reach.
        ctx.options.update(connection_strategy="lazy")
        self._loaded = True  # mitmproxy calls `configure` for each option above, before it has set any

    def configure(self, changed: set[str]) -> None:
        if changed & {"mode", "listen_host"}:
            self.proxy.alone = not others_reach(ctx.options.mode, ctx.options.listen_host)
        if self._services or not self._loaded:
            return
        try:
            self._services = open_services(self.settings or self._from_options(), self.proxy.counts, self.proxy.parent)
            if self.settings is None:
                self.proxy.tape = tape_options.tape_of(ctx.options)
        except (ConfigError, OSError) as error:
            raise exceptions.OptionsError(f"heliograph: {error}") from error
        self.proxy.run = self._services.journal.run
        addons = self._make_addons(self.proxy, self._services)
        for addon in addons:
            ctx.master.addons.register(addon)
        self.addons = addons

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self._kill_unless_ready(flow)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        self._kill_unless_ready(flow)

    def _kill_unless_ready(self, flow: http.HTTPFlow) -> None:
        if not self.addons or self._stopping:
            flow.kill()  # nothing may pass unseen

    @staticmethod
    def _from_options() -> Settings:
        options = ctx.options
        data = data_folder(options.heliograph_data)
        try:
            config, told = settings_file(
                data, options.heliograph_config or os.environ.get(CONFIG_VARIABLE), os.environ, asks=True
            )
        except Unreachable as error:
            raise ConfigError(str(error)) from error
        if told:
            logger.warning("heliograph: %s", told)
        settings = load(data, config, options.heliograph_upstreams)
        return settings.offline() if options.heliograph_replay else settings

    def running(self) -> None:
        if unknown := [name for name in ctx.options.deferred if name.startswith(_OPTION_PREFIX)]:
            known = [name for name, _ in ctx.options.items() if name.startswith(_OPTION_PREFIX)]
            logger.error("--set %s: no such option; there are %s", unknown[0], ", ".join(sorted(known)))
            return  # an error in `running` ends mitmdump
        self.proxy.alone = not others_reach(ctx.options.mode, ctx.options.listen_host)
        if self.settings is None and not self.proxy.alone:
            logger.warning("heliograph: other machines can use this proxy; add --listen-host 127.0.0.1")
        assert self._services
        if self.proxy.parent:
            self._follow(self.proxy.parent, self._services)
        else:
            self._stand_alone(self._services)

    def _follow(self, parent: Parent, services: Services) -> None:
        """A worker's parent has the helpers and watches the settings."""

        def use(text: str) -> None:
            now = services.settings
            try:
                fresh = load(now.data, now.config, environ=os.environ, text=text)
                self._use(taken_over(now, fresh, alone=self.proxy.alone))
            except ConfigError as error:  # which the parent did not find: it may be of another version
                logger.warning("heliograph: a worker keeps its old settings:\n%s", error)

        async def count() -> None:
            while True:
                self.proxy.count_what_is_open()
                await asyncio.sleep(_COUNT_EVERY_S)

        def begin_leaving() -> None:
            self._tasks.append(loop.create_task(self._leave()))

        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(count()))
        self._tasks.append(loop.create_task(parent.listen(leave=begin_leaving, stop=ctx.master.shutdown, use=use)))

    def _use(self, fresh: Settings) -> None:
        """Raises ConfigError."""
        assert self._services
        self._services.use(fresh)
        self.proxy.calls.slots.use(fresh.overload.shared_out(self.proxy.workers))

    async def _leave(self) -> None:
        self._drained_by = asyncio.get_running_loop().time() + _DRAIN_S
        await leave(self.proxy, _DRAIN_S)
        ctx.master.shutdown()

    def _stand_alone(self, services: Services) -> None:
        assert isinstance(services.api, ApiProcess)
        self._helpers = Helpers(services.settings.data, services.settings.config, services.journal.run)
        self._helpers.start(services.settings, services.api)
        if services.settings.is_watched:
            self._watch = SettingsWatch(self._watched(services))
            self._tasks.append(asyncio.get_running_loop().create_task(self._watch.run()))

    def _watched(self, services: Services) -> Watched:
        proxyserver = ctx.master.addons.get("proxyserver")
        return Watched(
            in_force=lambda: services.settings,
            read=lambda: file_settings(services.settings, os.environ),
            use=self._use,
            is_alone=lambda: self.proxy.alone,
            addresses=proxyserver.listen_addrs,
            stop=ctx.master.shutdown,
            started_at=self.proxy.started_at,
        )

    async def done(self) -> None:
        """Let calls under way finish, settle them, then end. Calls that do not finish in time are in the journal."""
        if (services := self._services) is None:
            return
        ctx.options.update(server=False)
        loop = asyncio.get_running_loop()
        deadline = self._drained_by or loop.time() + _DRAIN_S
        while self.proxy.calls and loop.time() < deadline:  # noqa: ASYNC110  an event for each call's end is not worth it
            await asyncio.sleep(0.05)
        if self.settings is None and self.proxy.tape:
            tape_options.save(self.proxy.tape)
        await services.api.stop()
        await services.callers.stop()
        self._stopping = True
        if self._helpers:
            self._helpers.stop_keeping()
        for task in self._tasks:
            task.cancel()
        if self._watch:
            self._watch.close()
        await services.close()
        if self._helpers:
            await self._helpers.settle()


def others_reach(modes: Sequence[str], listen_host: str) -> bool:
    """Whether a mode listens beyond this machine: mitmdump does, on all interfaces, unless it is told otherwise."""
    return any(not is_loopback(ProxyMode.parse(mode).listen_host(listen_host)) for mode in modes)
