"""Numbers, times and texts as the pages show them. Unknown is a dash that says why, never 0. Pure."""

import math
import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from addon.storage.sizes import size_text
from analysis.dashboard.unseen import shown

DASH: Final = "\N{EN DASH}"
TO_THE_SECOND: Final = "%Y-%m-%d %H:%M:%S"
TO_THE_MINUTE: Final = "%Y-%m-%d %H:%M"
TO_THE_DAY: Final = "%Y-%m-%d"
_SMALL_USD: Final = 0.0001


def label(value: object) -> str:
    """A user, a model, a value of a property: a text that can be read and clicked also where it is empty."""
    return "(none)" if value is None else str(value) or "(empty)"


def with_code(text: str) -> Markup:
    """What stands between two backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return shown(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(shown(part)) if index % 2 else shown(part) for index, part in enumerate(parts)
    )


def breaking(text: str) -> Markup:
    """Names like `overloaded_error` may go on in the next line after a `_`: browsers know no other place in them."""
    return Markup("_<wbr>").join(shown(part) for part in text.split("_"))


def usd(value: float | None) -> str:
    """Enough digits that a small sum is not 0: $1,234.56, $0.0123, $0.000004."""
    if value is None:
        return DASH
    if value < 0:
        return f"-{usd(-value)}"
    if value >= 1000:
        return f"${value:,.0f}"
    if value >= 1 or value == 0:
        return f"${value:,.2f}"
    if value >= 0.01:
        return f"${value:.3f}"
    if value >= _SMALL_USD:
        return f"${value:.4f}"
    places = 1 - math.floor(math.log10(value))  # two digits that count
    return f"${value:.{min(places, 9)}f}".rstrip("0") if value >= 1e-9 else "$0.00"


def usd_exact(value: float | None) -> str:
    """All digits, for a detail or a tooltip."""
    return DASH if value is None else f"${value:,.9f}".rstrip("0").ljust(5, "0")


def count(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}"


def counted(value: float | None, noun: str) -> str:
    """1 hit, 31 hits."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def short(value: float | None) -> str:
    """1,234 as 1.23k; for labels where room is scarce."""
    if value is None:
        return DASH
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return DASH
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_of_day = divmod(hours, 24)
    if days:
        return f"{days} d {hours_of_day} h" if hours_of_day else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def percent(share: float | None) -> str:
    """`share`: 0 to 1."""
    if share is None:
        return DASH
    if share in (0, 1) or share >= 0.1:
        return f"{share:.0%}"
    return f"{share:.1%}" if share >= 0.01 else f"{share:.2%}"


def bytes_(value: float | None) -> str:
    return DASH if value is None else size_text(value)


def change(now: float | None, earlier: float | None) -> str | None:
    """+12%, against the period before; None where it cannot be said."""
    if now is None or not earlier:
        return None
    share = now / earlier - 1
    return f"{share:+.0%}" if abs(share) < 10 else f"\N{MULTIPLICATION SIGN}{now / earlier:.0f}"


def moment(value: datetime, zone_local: datetime, pattern: str) -> Markup:
    """A time for people, in the viewer's zone, with the exact one for machines and on hover."""
    exact = value.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, zone_local.strftime(pattern))


def marked(text: str, words: Collection[str]) -> Markup:
    """With each of the words marked, in upper or lower case."""
    pattern = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)), re.IGNORECASE)
    html, at = Markup(), 0
    for found in pattern.finditer(text) if words else ():
        html += Markup("{}<mark>{}</mark>").format(shown(text[at : found.start()]), shown(found[0]))
        at = found.end()
    return html + shown(text[at:])


def unknown(why: str) -> Markup:
    """A dash with the reason: on hover, on focus, and for screen readers."""
    return Markup('<abbr class="unknown" tabindex="0" title="{0}" aria-label="unknown: {0}">{1}</abbr>').format(
        shown(why), DASH
    )
