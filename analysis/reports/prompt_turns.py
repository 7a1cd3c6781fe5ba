"""Where the beginning of a prompt changed from turn to turn of a session, and what that cost. Pure.

A turn sends the conversation so far again. As long as its beginning is the same, the provider reads it from its prompt
cache at a fraction of the price. Compared are the blocks of a call with those of the call that it goes on from.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from addon.storage.record import RequestRow

# No provider caches a shorter prompt. https://platform.openai.com/docs/guides/prompt-caching,
# https://platform.claude.com/docs/en/build-with-claude/prompt-caching
LEAST_TOKENS: Final = 1024
EARLIER_CALLS: Final = 20  # that a call may go on from: sub-agents take turns with their parent
READ_WELL: Final = 0.5  # the share of an unchanged beginning that must be read; providers read whole pieces of it
# What so many tokens of a call's input cost more than if the provider had read them from its cache; None: not known.
LostUsd = Callable[[RequestRow, int], float | None]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A call as its provider's cache sees it. `blocks`: equal numbers are equal blocks; None: not known."""

    row: RequestRow
    blocks: Sequence[int] | None
    places: Sequence[str] = ()  # of each block, as a person counts: `message 4 (user)`
    messages_from: int = 0  # the index of the first message

    @property
    def messages(self) -> Sequence[int]:
        return self.blocks[self.messages_from :] if self.blocks else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One call that goes on from an earlier one. With lost tokens and without `changed_at` its beginning was the same: the
    cache had expired (see `idle_s`), or was not asked for."""

    request_id: str
    started_at: datetime
    number: int  # of the session's calls, from 1
    before_id: str  # the call that it goes on from
    idle_s: float  # since that one began
    changed_at: str | None  # the first block that is not the same: `system`, `message 4 (user)`
    changed_block: int | None  # its index
    lost_tokens: int | None  # of the input of the call before, those that were not read from the cache; None: not known
    lost_usd: float | None  # what these cost more than at the price of a read; None: not known


def turns_of(prompts: Sequence[Prompt], lost_usd: LostUsd) -> list[Turn]:
    """The calls that go on from an earlier one of the same model. `prompts`: the calls of a session, oldest first."""
    found: list[Turn] = []
    earlier: dict[tuple[str, str | None], deque[Prompt]] = {}
    for number, prompt in enumerate(prompts, 1):
        if prompt.blocks is None:
            continue
        cache_of = prompt.row.provider_name, prompt.row.response_model or prompt.row.request_model
        same_cache = earlier.setdefault(cache_of, deque(maxlen=EARLIER_CALLS))
        if before := goes_on_from(prompt, same_cache):
            found.append(_turn(number, before, prompt, lost_usd))
        same_cache.append(prompt)
    return found


def goes_on_from(prompt: Prompt, earlier: Iterable[Prompt]) -> Prompt | None:
    """The call with the most messages in common, at least half of its own; the latest of several."""
    have = set(prompt.messages)
    best: Prompt | None = None
    most = (0, 0)
    for each in earlier:
        shared = sum(block in have for block in each.messages)
        rank = shared, common_beginning(each, prompt)
        if shared and 2 * shared >= len(each.messages) and rank >= most:
            best, most = each, rank
    return best


def common_beginning(one: Prompt, other: Prompt) -> int:
    """How many blocks both begin with."""
    left, right = one.blocks or (), other.blocks or ()
    pairs = enumerate(zip(left, right, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(left), len(right)))


def _turn(number: int, before: Prompt, now: Prompt, lost_usd: LostUsd) -> Turn:
    same = common_beginning(before, now)
    changed = same < len(before.blocks or ())
    lost = _lost_tokens(before.row, now.row, changed=changed)
    return Turn(
        request_id=now.row.request_id,
        started_at=now.row.started_at,
        number=number,
        before_id=before.row.request_id,
        idle_s=(now.row.started_at - before.row.started_at).total_seconds(),
        changed_at=_place(before, now, same) if changed else None,
        changed_block=same if changed else None,
        lost_tokens=lost,
        lost_usd=0.0 if lost == 0 else None if lost is None else lost_usd(now.row, lost),
    )


def _place(before: Prompt, now: Prompt, index: int) -> str:
    return now.places[index] if index < len(now.places) else f"{before.places[index]} left out"


def _lost_tokens(before: RequestRow, now: RequestRow, *, changed: bool) -> int | None:
    """Had nothing changed, all that the call before sent could have been read."""
    if before.input_tokens is None or now.input_tokens is None or now.cache_read_input_tokens is None:
        return None
    readable = min(before.input_tokens, now.input_tokens)
    if readable < LEAST_TOKENS or (not changed and now.cache_read_input_tokens >= READ_WELL * readable):
        return 0
    return max(0, readable - now.cache_read_input_tokens)
