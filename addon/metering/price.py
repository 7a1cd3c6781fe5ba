"""What a call cost, in nano-USD: by the user's own prices, else the provider's stated cost, else genai-prices at the
time of the call together with our own table for what that list lacks.

Exact decimals, rounded once, half to even. What we know to change the price and cannot price makes the cost None, with
the reason; a None is listed by `heliograph doctor`, a wrong number by nobody.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from addon.metering import listed
from addon.metering.bill import Bill
from addon.metering.counts import Counts, counts_of, decimals, less_parts, tokens_of
from addon.metering.lines import Line, nanousd, total_usd
from addon.metering.listed import Listed, list_name
from addon.metering.overrides import PriceOverride, find_override
from addon.metering.own_prices import AsWhole, Factor, OwnPrice, OwnPrices, own_prices
from addon.metering.tariff import Tariff, Tariffs, Tier, is_by_token, tariff_of
from addon.metering.units import WHOLE_OF
from addon.metering.unpriced import Unpriced
from addon.providers import registry
from addon.providers.makers import without_maker
from addon.providers.model import Provider, Usage

# Tiers and speeds that mean the list's standard price. `auto` is what was asked for, not what was served.
STANDARD: Final = frozenset({"auto", "default", "standard", "on_demand"})
# Factors that may pick a variant of the list's prices, and their other names there.
VARIANT_FACTORS: Final = frozenset({"service_tier", "speed", "processing", "search_type", "route"})
OWN_LIST: Final = "heliograph prices"
# Operations whose answers have no tokens of text.
WITHOUT_OUTPUT: Final = frozenset({"embeddings", "rerank", "batch_results", "decisions", "create_cache"})


@dataclass(slots=True)
class Cost:
    """`nanousd` None means unknown, and `reason` then says why. `list_nanousd`: of a call paid by a plan."""

    nanousd: int | None
    source: str | None
    reason: str | None
    list_nanousd: int | None = None


FREE: Final = Cost(0, "free", None)


def stated(nano: int | None, otherwise: str) -> Cost:
    """The cost that a call is said to have; `otherwise` is the reason why it has none."""
    return Cost(None, None, otherwise) if nano is None else Cost(nano, "provider", None)


@dataclass(frozen=True, slots=True)
class _Found:
    """How a bill is priced by the lists: units by genai-prices, units by our table, and what multiplies them."""

    model: Listed | None
    listed_counts: Mapping[str, Decimal]
    own: Sequence[Line]
    multiply: Sequence[tuple[Factor, str]]  # and the value it has here

    def usd(self) -> Decimal:
        if self.model is None or not self.multiply:
            return (self.model.usd(self.listed_counts) if self.model else Decimal(0)) + total_usd(
                _times(line, self.multiply) for line in self.own
            )
        of_tokens = {key: count for key, count in self.listed_counts.items() if key.endswith("_tokens")}
        tokens, everything = self.model.usd(of_tokens), self.model.usd(self.listed_counts)
        return (
            tokens * _product(self.multiply, "tokens")
            + (everything - tokens) * _product(self.multiply, "all")
            + total_usd(_times(line, self.multiply) for line in self.own)
        )

    def lines(self) -> list[Line]:
        lines = [*(self.model.lines(self.listed_counts) if self.model else ()), *self.own]
        return [_times(line, self.multiply) for line in lines]

    @property
    def source(self) -> str:
        if self.model is None:
            return OWN_LIST
        return f"{list_name()} + {OWN_LIST}" if self.own else list_name()


def priced_as(
    provider: Provider, host: str, path: str = "", model: str | None = None, answered: str | None = None
) -> Provider:
    """The provider with the price list of this call: a name of the user's own has that of its host's provider, else of the
    one company that makes models of this name; of a router or a gateway the call tells whose it is.

    `model` was asked for; the one that `answered` says more where the caller asks for a deployment."""
    if provider.seller and (name := provider.seller(host, path, model)):
        return registry.by_name(name)
    if provider.price_list:
        prices = provider.price_list(host, path, model)
        return provider if prices == provider.prices else replace(provider, prices=prices)
    if provider.prices is not None or provider.name in registry.BY_NAME:
        return provider
    known = registry.by_host(host) or registry.seller_of(provider, answered, model)
    return replace(provider, prices=known.prices)


class PriceList:
    """`own`: our own table; `overrides`: the user's prices."""

    def __init__(self, overrides: Sequence[PriceOverride] = (), own: OwnPrices | None = None) -> None:
        self._overrides = tuple(overrides)
        self._own = own or own_prices()
        self._tariffs = Tariffs()

    def price(self, bill: Bill) -> Cost:
        plan = bill.paid_by_plan or bill.host in bill.provider.plan_hosts
        if plan and bill.stated_nanousd is None:
            by_list = self._price(replace(bill, paid_by_plan=False))
            return Cost(None, None, "paid by a plan, not by tokens", by_list.nanousd)
        return self._price(bill)

    def lines(self, bill: Bill) -> tuple[list[Line], str]:
        """The arithmetic of `price`, and its source. Raises Unpriced with the reason where there is no price."""
        if (nano := self._stated(bill)) is not None:
            usd = Decimal(nano).scaleb(-9)
            line = Line(unit="stated cost", count=Decimal(1), price_usd=usd, per=1, usd=usd, source="provider")
            return [line], "provider"
        if bill.is_empty:
            raise Unpriced("usage unknown")
        found = [(part, *self._own_lines(part)) for part in bill.by_model()]
        lines = [bill.line_of(part, line) for part, lines, _ in found for line in lines]
        return lines, _sources(source for _, _, source in found)

    def _own_lines(self, bill: Bill) -> tuple[list[Line], str]:
        if overridden := self._overridden(bill):
            override, usage = overridden
            return override.lines(usage), f"override {override.name}"
        if bill.odd:
            raise Unpriced(bill.odd)
        found = self._find(bill, counts_of(bill.usage, bill.units))
        return found.lines(), found.source

    def _price(self, bill: Bill) -> Cost:
        if (nano := self._stated(bill)) is not None or bill.is_empty:
            return stated(nano, "usage unknown")
        try:
            if not bill.units:  # one model did all of it
                usd, source = self._own_usd(bill)
                return Cost(nanousd(usd), source, None)
            costs = [self._own_usd(part) for part in bill.by_model()]
        except Unpriced as unpriced:
            return Cost(None, None, str(unpriced))
        return Cost(nanousd(sum((usd for usd, _ in costs), Decimal(0))), _sources(source for _, source in costs), None)

    def _own_usd(self, bill: Bill) -> tuple[Decimal, str]:
        """What one model's work costs, and by which price. Raises Unpriced."""
        if overridden := self._overridden(bill):
            override, usage = overridden
            return override.cost_usd(usage), f"override {override.name}"
        return self._listed(bill)

    def _listed(self, bill: Bill) -> tuple[Decimal, str]:
        """What the lists say, in USD, and which of them. Raises Unpriced."""
        if bill.odd:
            raise Unpriced(bill.odd)
        numbers: Mapping[str, Decimal | int] = (
            counts_of(bill.usage, bill.units) if bill.units else tokens_of(bill.usage)
        )
        if not is_by_token(numbers):
            found = self._find(bill, decimals(numbers))
            return found.usd(), found.source
        kind = _kind(bill, numbers)
        if reason := self._tariffs.reason(kind):
            raise Unpriced(reason)
        if known := self._tariffs.usd(kind, numbers):
            return known
        counts = decimals(numbers)
        try:
            found = self._find(bill, counts)
        except Unpriced as unpriced:
            self._tariffs.has_no_price(kind, str(unpriced))
            raise
        usd = found.usd()
        if tariff := self._tariff(bill, counts, found):
            self._tariffs.add(kind, tariff)
        return usd, found.source

    def _tariff(self, bill: Bill, counts: Counts, found: _Found) -> Tariff | None:
        """None where both lists have a share: which of them prices anything then depends on the size of the counts."""
        length = counts["input_tokens"]
        if found.model and (found.own or found.listed_counts.get("input_tokens") != length):
            return None

        def usd_of(probe: Counts) -> Decimal | None:
            probed = self._find(bill, probe)
            if (probed.model is None) != (found.model is None):
                return None
            return replace(probed, model=probed.model and listed.within_tier(probed.model, length)).usd()

        return tariff_of(counts, found.source, found.model.tier(length) if found.model else Tier(), usd_of)

    def _override(self, bill: Bill) -> PriceOverride | None:
        for name in bill.models if self._overrides else ():
            if name and (found := find_override(self._overrides, bill.provider, name, bill.on)):
                return found
        return None

    def _overridden(self, bill: Bill) -> tuple[PriceOverride, Usage] | None:
        """The user's own price, and what it is for. Raises Unpriced where one is set and that is not known."""
        override = self._override(bill)
        if override is None:
            return None
        if bill.usage is None or bill.odd:
            raise Unpriced(bill.odd or "usage unknown")
        return override, bill.usage

    def _stated(self, bill: Bill) -> int | None:
        """The stated cost, in nano-USD, where it counts: the user's own prices win over it, of what they can price."""
        return bill.stated_nanousd if bill.is_empty or not self._override(bill) else None

    def _find(self, bill: Bill, counted: Counts) -> _Found:
        """How these counts are priced; nothing else of the bill's usage is looked at, nor does the size of a count that is
        not 0 matter. Raises Unpriced."""
        provider = bill.provider.name
        stated_names = [name for name in bill.models if name]
        # What has no model (a search) is sold by what it does.
        names = [other for name in stated_names or [bill.operation] for other in self._own.names(provider, name)]
        if provider not in registry.BY_NAME:
            names += [plain for name in stated_names if (plain := without_maker(name)) not in names]
        model = listed.find(bill.provider.prices, names, bill.started_at)
        counts = self._charged(provider, names, model, counted)
        if requests := int(counts.pop("batch_requests", 0)):
            model = model and listed.over_requests(model, requests)
        prices = {unit: price for unit in counts if (price := self._own_price(bill, names, model, unit, counts))}
        if "output_tokens" in prices and "output_reasoning_tokens" not in prices:
            counts.pop("output_reasoning_tokens", None)
        dearer = self._dearer(provider, names, model, counts)
        for unit, count in counts.items():
            if count and unit not in prices and unit not in dearer and not (model and model.has(unit)):
                raise Unpriced(self._missing(bill, model, stated_names, unit, is_known=bool(prices)))
        if model is None and not prices:
            raise Unpriced(self._missing(bill, model, stated_names, "input_tokens", is_known=False))
        _refuse_unknown(counts, bill)
        own = [_line(unit, less_parts(unit, counts, prices), price) for unit, price in prices.items()]
        on_list = {
            unit: less_parts(unit, counts, prices.keys() | dearer.keys())
            for unit in counts
            if unit not in prices and WHOLE_OF.get(unit) not in prices and model and model.has(unit)
        }
        if model and "requests" in prices:
            model = listed.without_requests(model)
        used = {name for price in prices.values() for name in price.when}  # factors that our own prices depend on
        if prices and not any(on_list.values()):
            model = None  # all is charged by our own table
        context, multiply = self._factors(bill, model, names, used)
        if model and context:
            model = listed.with_context(model, context)
            model.refuse_partial_variant(on_list)
        if model and dearer:
            model = listed.within_tier(model, counts["input_tokens"])  # what is left may be of another length
            own += [_as_often(model, unit, counts[unit], entry) for unit, entry in dearer.items()]
        if model:
            _refuse_models(model.model.id, counts)
        return _Found(model, on_list, own, multiply)

    def _missing(self, bill: Bill, model: Listed | None, names: Sequence[str], unit: str, *, is_known: bool) -> str:
        """`is_known`: our own table has a price for another unit of that model."""
        if model:
            return f"no price for {unit} of model {model.model.id}"
        if not names:
            return "no model stated"
        if is_known:
            return f"no price for {unit} of model {names[0]}"
        if bill.provider.prices is None and unit.endswith("_tokens") and not self._own.sells(bill.provider.name):
            return f"no price list for provider {bill.provider.name}"
        return f"no price for model {names[0]}" + ("" if unit.endswith("_tokens") else f": {unit}")

    def _charged(self, provider: str, names: Sequence[str], model: Listed | None, counts: Counts) -> dict[str, Decimal]:
        """Without the parts that are charged as the whole they belong to."""
        return {
            unit: count
            for unit, count in counts.items()
            if (model and model.has(unit))
            or not (entry := self._own.times_whole(provider, names, unit))
            or entry.times != 1
        }

    def _dearer(
        self, provider: str, names: Sequence[str], model: Listed | None, counts: Mapping[str, Decimal]
    ) -> dict[str, AsWhole]:
        """The parts that cost several times what the list's price of their whole is."""
        return {
            unit: entry
            for unit, count in counts.items()
            if count and model and not model.has(unit) and WHOLE_OF.get(unit) in counts and model.has(WHOLE_OF[unit])
            if (entry := self._own.times_whole(provider, names, unit))
        }

    def _own_price(
        self, bill: Bill, names: Sequence[str], model: Listed | None, unit: str, counts: Mapping[str, Decimal]
    ) -> OwnPrice | None:
        """Our price of a unit that was used: one that wins over the list, or one that the list lacks."""
        if not counts[unit]:
            return None
        has = model is not None and model.has(unit)
        used = {other for other, number in counts.items() if number}
        return self._own.find(bill.provider.name, names, unit, bill.factors, bill.on, counted=used, instead=has)

    def _factors(
        self, bill: Bill, model: Listed | None, names: Sequence[str], used: set[str]
    ) -> tuple[dict[str, str], list[tuple[Factor, str]]]:
        """The list's variant, and what multiplies the price. A factor that nothing accounts for makes the call unpriced."""
        context: dict[str, str] = {}
        multiply: list[tuple[Factor, str]] = []
        for name, value in bill.factors.items():
            if name in used:
                continue
            if name in VARIANT_FACTORS:
                if value in STANDARD:
                    continue
                key, wanted = ("processing", value) if value == "batch" else (name, value)
                if model and model.has_variant(key, wanted):
                    context[key] = wanted
                    continue
            factor = self._own.factor(bill.provider.name, names, name, value, bill.on)
            if factor and factor.variant and model and model.has_variant("processing", factor.variant):
                context["processing"] = factor.variant
                continue
            if factor is None or factor.variant:
                of = f" of model {model.model.id}" if model else ""
                raise Unpriced(f"no price for {name} {value}{of} at that time")
            if factor.multiply != 1:
                multiply.append((factor, value))
        if len(context) > 1:
            raise Unpriced(f"no price for {' with '.join(f'{key} {value}' for key, value in context.items())}")
        return context, multiply


def _sources(sources: Iterable[str]) -> str:
    """Each list once, in the order of their first use."""
    return " + ".join(dict.fromkeys(name for source in sources for name in source.split(" + ")))


def _line(unit: str, count: Decimal, price: OwnPrice) -> Line:
    per = price.per_of(unit)
    usd = count * price.usd[unit] / per
    return Line(
        unit=unit, count=count, price_usd=price.usd[unit], per=per, usd=usd, source=price.source, since=price.start
    )


def _as_often(model: Listed, unit: str, count: Decimal, entry: AsWhole) -> Line:
    """A part that costs `entry.times` what its whole does."""
    whole = WHOLE_OF[unit]
    once = model.usd({whole: count, WHOLE_OF.get(whole, whole): count})
    usd, per = once * entry.times, 1_000_000
    return Line(unit=unit, count=count, price_usd=usd * per / count, per=per, usd=usd, source=entry.source, since=None)


def _kind(bill: Bill, counts: Mapping[str, Decimal | int]) -> Hashable:
    """Everything that a price depends on but the size of the counts. No price starts within a minute."""
    return (
        (bill.provider.name, bill.provider.prices, bill.operation, int(bill.started_at.timestamp()) // 60),
        tuple(bill.models),
        tuple(bill.factors.items()),
        tuple(counts),
        tuple(map(bool, counts.values())),
        bill.usage is None,
    )


def _refuse_unknown(counts: Mapping[str, Decimal], bill: Bill) -> None:
    """Tokens are known on both sides or on none; a call without any is priced by its other units."""
    has_tokens = any(unit.endswith("_tokens") for unit in counts)
    if bill.usage is None and not has_tokens:
        return
    if "input_tokens" not in counts:
        raise Unpriced("input tokens unknown")
    if "output_tokens" not in counts and bill.operation not in WITHOUT_OUTPUT:
        raise Unpriced("output tokens unknown")


def _refuse_models(model: str, counts: Mapping[str, Decimal]) -> None:
    """Fees of OpenAI whose size the answer does not tell. https://openai.com/api/pricing"""
    if counts.get("web_searches") and model in ("gpt-4o-mini", "gpt-4.1-mini"):
        raise Unpriced(f"no price for web searches of {model}: a fixed block of tokens each, in no usage")
    if "-search-" in model and not counts.get("search_model_calls"):
        raise Unpriced(f"no price for the searches of {model}: their number is in no answer")


def _product(multiply: Sequence[tuple[Factor, str]], of: str) -> Decimal:
    """For "tokens" all factors apply, for "all" those that are not for tokens only."""
    product = Decimal(1)
    for factor, _ in multiply:
        if of == "tokens" or factor.of == "all":
            product *= factor.multiply
    return product


def _times(line: Line, multiply: Sequence[tuple[Factor, str]]) -> Line:
    of = "tokens" if line.unit.endswith("_tokens") else "all"
    applied = [(factor, value) for factor, value in multiply if of == "tokens" or factor.of == "all"]
    if not applied:
        return line
    notes = [line.note, *(f"x {factor.multiply} {factor.name} {value} ({factor.source})" for factor, value in applied)]
    return replace(line, usd=line.usd * _product(multiply, of), note=", ".join(note for note in notes if note))
