"""A fleet as queues: calls, workers, settlers, one Redis, one object store. Pure: the same settings give the same figures.

Each call takes CPU of its worker before and after the provider answers, a decision in Redis between, and then CPU of its proxy's
settler, which charges it in Redis. Each settler ships every 20 seconds. A worker, a settler and Redis do one thing at a time, so
what waits for them is seen; the provider and the object store take any number of requests at once.

A worker and Redis that had nothing to do are woken, which costs them more CPU than to go on with the next thing; a settler looks
ten times a second, and a look at which there is news has a cost of its own. So a call costs more CPU where there are few. Not in
the model: cores (each worker and settler has one), memory, the cache, failures, and merges.
"""

import math
import random
import statistics
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final

import simpy

from scripts import measured as m

type Steps = Generator[simpy.Event, Any, None]

LOOK_EVERY_S: Final = 0.1  # a settler at its journal (addon/settling/process.py)
EVERY_S: Final = 20.0  # a shipping round (addon/settling/shipping_thread.py), give or take a tenth
LOOKS_S: Final = 100  # at how many calls are present, a second
WARM_UP: Final = 0.1  # of the time is left out of the figures, while the queues fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What is simulated. Times in seconds."""

    proxies: int = 4
    workers: int = 1  # of each proxy
    calls_s: float = 1000.0  # of all proxies together
    streams: float = 0.0  # their share
    seconds: float = 60.0
    seed: int = 1
    connections: int = 0  # 0: calls come whenever they come. Else callers that each send the next call after an answer
    has_redis: bool = True
    provider_s: float = 1.0
    network_s: float = 0.0005  # to Redis and back
    store_s: float = 0.03  # a request to the object store
    has_wakes: bool = True  # False: a call costs the same at any load, so that the laws of queues can be checked


@dataclass(slots=True)
class Server:
    """One thing at a time, in the order of arrival."""

    queue: simpy.Resource
    wake_s: float = 0.0  # CPU to begin where there was nothing to do
    busy_s: float = 0.0  # CPU
    served: int = 0
    in_queue_s: float = 0.0

    def take(self, env: simpy.Environment, cost_s: float, since: float, waits_s: float = 0.0) -> Steps:
        """Waits for its turn and keeps it for `cost_s` of CPU and `waits_s` without. What ends before `since` does not count."""
        arrived = env.now
        cost_s += 0.0 if self.queue.count or self.queue.queue else self.wake_s
        with self.queue.request() as turn:
            yield turn
            began = env.now
            yield env.timeout(cost_s + waits_s)
        self.busy_s += min(cost_s, max(0.0, env.now - max(began, since)))
        if env.now >= since:
            self.served += 1
            self.in_queue_s += began - arrived


@dataclass(slots=True)
class Seen:
    """What happened after the warm-up."""

    added_s: list[float] = field(default_factory=list)  # by the proxy, to each answered call
    settled_after_s: list[float] = field(default_factory=list)
    decisions: int = 0
    present: list[int] = field(default_factory=list)  # calls in workers and Redis, at moments
    rounds: int = 0
    requests: int = 0  # to the object store


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one run; shares are of one core, 1 is all of it."""

    calls_s: float
    worker_share: float  # on average
    settler_share: float
    redis_share: float
    decisions_s: float
    redis_wait_ms: float  # of a script, in the queue, on average
    added_mean_ms: float
    added_p50_ms: float
    added_p99_ms: float
    settled_p99_s: float
    rounds_min: float
    requests_min: float
    present: float  # calls in workers and Redis at a moment, on average


class Model:
    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.env, self.dice = fleet, simpy.Environment(), random.Random(fleet.seed)
        self.since = fleet.seconds * WARM_UP
        self.workers = [[self._server(m.WAKE_WORKER) for _ in range(fleet.workers)] for _ in range(fleet.proxies)]
        self.settlers = [self._server() for _ in range(fleet.proxies)]
        self.redis = self._server(m.WAKE_REDIS)
        self.ended: list[list[tuple[float, bool]]] = [
            [] for _ in range(fleet.proxies)
        ]  # calls not settled: when, is a stream
        self.unshipped = [0] * fleet.proxies
        self.present = 0  # calls in workers and Redis now
        self.seen = Seen()

    def _server(self, wake: m.Figure | None = None) -> Server:
        return Server(simpy.Resource(self.env), wake.value if wake and self.fleet.has_wakes else 0.0)

    def run(self) -> Outcome:
        fleet, env = self.fleet, self.env
        if fleet.connections:
            for number in range(fleet.connections):
                env.process(self._caller(number))
        else:
            env.process(self._arrivals())
        for proxy in range(fleet.proxies):
            env.process(self._settling(proxy))
            env.process(self._shipping(proxy))
        env.process(self._looking())
        env.run(fleet.seconds)
        return self._outcome()

    def _arrivals(self) -> Steps:
        while True:
            yield self.env.timeout(self.dice.expovariate(self.fleet.calls_s))
            proxy = self.dice.randrange(self.fleet.proxies)
            self.env.process(self._call(proxy, self.dice.randrange(self.fleet.workers)))

    def _caller(self, number: int) -> Steps:
        """A connection stays with its worker."""
        while True:
            yield from self._call(number % self.fleet.proxies, number // self.fleet.proxies % self.fleet.workers)

    def _call(self, proxy: int, worker: int) -> Steps:
        env, fleet = self.env, self.fleet
        is_stream = self.dice.random() < fleet.streams
        cost_s = (m.STREAM_CALL if is_stream else m.JSON_CALL).value
        arrived, server = env.now, self.workers[proxy][worker]
        self.present += 1
        yield from server.take(env, cost_s / 2, self.since)
        if fleet.has_redis:
            yield from self._ask_redis(m.DECIDE_BUDGET.value)
            self.seen.decisions += env.now >= self.since
        asked = env.now
        self.present -= 1
        if fleet.provider_s:
            yield env.timeout(fleet.provider_s)
        answered = env.now
        self.present += 1
        yield from server.take(env, cost_s / 2, self.since)
        self.present -= 1
        if env.now >= self.since:
            added_s = (asked - arrived) + (env.now - answered)
            self.seen.added_s.append(added_s)
        self.ended[proxy].append((env.now, is_stream))

    def _ask_redis(self, cost_s: float) -> Steps:
        yield self.env.timeout(self.fleet.network_s / 2)
        yield from self.redis.take(self.env, cost_s, self.since)
        yield self.env.timeout(self.fleet.network_s / 2)

    def _settling(self, proxy: int) -> Steps:
        yield self.env.timeout(LOOK_EVERY_S * self.dice.random())  # as shipping
        while True:
            yield self.env.timeout(LOOK_EVERY_S)
            calls, self.ended[proxy] = self.ended[proxy], []
            look_s = m.SETTLER_LOOK.value if self.fleet.has_wakes else 0.0
            for number, (ended, is_stream) in enumerate(calls):
                yield from self._settle(proxy, ended, is_stream, 0.0 if number else look_s)

    def _settle(self, proxy: int, ended: float, is_stream: bool, more_s: float) -> Steps:
        """The settler waits for Redis with each call that it charges."""
        cost_s, waits_s = (m.SETTLE_STREAM if is_stream else m.SETTLE_JSON).value + more_s, 0.0
        if self.fleet.has_redis:
            cost_s += m.CHARGE_SETTLER.value
            waits_s = self.fleet.network_s + m.CHARGE.value
            self.env.process(self._charge())
        yield from self.settlers[proxy].take(self.env, cost_s, self.since, waits_s)
        self.unshipped[proxy] += 1
        if self.env.now >= self.since:
            self.seen.settled_after_s.append(self.env.now - ended)

    def _charge(self) -> Steps:
        yield from self.redis.take(self.env, m.CHARGE.value, self.since)

    def _shipping(self, proxy: int) -> Steps:
        yield self.env.timeout(EVERY_S * self.dice.random())  # proxies did not start together
        requests = round(m.ROUND_PUTS.value + m.ROUND_READS.value)
        while True:
            calls, self.unshipped[proxy] = self.unshipped[proxy], 0
            if calls:
                yield from self.settlers[proxy].take(
                    self.env, m.SHIP_ROUND.value + m.SHIP_CALL.value * calls, self.since
                )
                yield self.env.timeout(requests * self.fleet.store_s)
                if self.env.now >= self.since:
                    self.seen.rounds += 1
                    self.seen.requests += requests
            yield self.env.timeout(EVERY_S * self.dice.uniform(0.9, 1.1))

    def _looking(self) -> Steps:
        yield self.env.timeout(self.since)
        while True:
            self.seen.present.append(self.present)
            yield self.env.timeout(self.dice.expovariate(LOOKS_S))  # by chance, so that it keeps no step with anything

    def _outcome(self) -> Outcome:
        seen, counted_s = self.seen, self.fleet.seconds - self.since
        workers = [worker for proxy in self.workers for worker in proxy]
        scripts = max(1, self.redis.served)
        return Outcome(
            calls_s=len(seen.added_s) / counted_s,
            worker_share=statistics.fmean(each.busy_s for each in workers) / counted_s,
            settler_share=statistics.fmean(each.busy_s for each in self.settlers) / counted_s,
            redis_share=self.redis.busy_s / counted_s,
            decisions_s=seen.decisions / counted_s,
            redis_wait_ms=self.redis.in_queue_s / scripts * 1000,
            added_mean_ms=statistics.fmean(seen.added_s) * 1000 if seen.added_s else math.nan,
            added_p50_ms=percentile(seen.added_s, 0.5) * 1000,
            added_p99_ms=percentile(seen.added_s, 0.99) * 1000,
            settled_p99_s=percentile(seen.settled_after_s, 0.99),
            rounds_min=seen.rounds / counted_s * 60,
            requests_min=seen.requests / counted_s * 60,
            present=statistics.fmean(seen.present),
        )


def simulate(fleet: Fleet) -> Outcome:
    """Raises ValueError where there is nothing to simulate."""
    if min(fleet.proxies, fleet.workers) < 1 or fleet.seconds <= 0 or (fleet.calls_s <= 0 and not fleet.connections):
        raise ValueError("proxies, workers, seconds and calls a second must be above 0")
    return Model(fleet).run()


def percentile(values: list[float], share: float) -> float:
    """The smallest of the values that are not below `share` of them; NaN without values."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan
