"""Work that goes on after its call: in the background, in a queue, behind a stream that its caller left. Pure.

The one rule: what it costs is told by the call that finds its end, and charged there, once. Any other call costs nothing by
itself, be it the one that started the work or one that looks at it. A caller that started it, saw words of it and left before the
end has spent something that no later call may ever tell: the cost of that call is not known, and nothing is estimated of it,
since a later call may tell all.
"""

from dataclasses import replace

from addon.providers.model import Asked, Reading


def under_way(reading: Reading, *, is_look: bool = False) -> Reading:
    """What an answer says of work that it left unfinished. `is_look`: the work was started by another call."""
    has_words = bool(reading.text or reading.other_output)
    return replace(
        reading,
        is_free=is_look or not has_words,
        goes_on=True,
        usage=None,
        usage_raw=None,
        units={},
        stated_cost_usd=None,
    )


def found_done(reading: Reading, work: str) -> Reading:
    """The end of work that several calls may find: the first of them is charged. `work`: its name at the provider."""
    return replace(reading, charged_once=work)


def charged_by_path(reading: Reading, asked: Asked) -> Reading:
    """A result that is fetched twice is charged once; one that is not there yet is free."""
    return reading if reading.is_free else found_done(reading, f"result {asked.path}")
