"""The rows of a lake against what the callers of the soak saw."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from analysis.lake import Lake
from analysis.table import fetch
from scripts.soak_load import Seen

ROWS: Final = "select request_id, cost_nanousd, status, error_type from requests"


@dataclass(slots=True)
class Counted:
    """The rows against what the callers saw."""

    rows: int = 0
    missing: list[str] = field(default_factory=list)
    missing_unanswered: list[str] = field(default_factory=list)  # their callers left, or have no whole answer
    unread: int = 0  # calls without a row whose callers left so soon that the proxy need not have read them
    doubled: int = 0
    unexpected: int = 0
    wrong_costs: list[str] = field(default_factory=list)
    wrong_errors: list[str] = field(default_factory=list)  # the caller had the whole answer, and the row names an error
    expected_nanousd: int = 0
    found_nanousd: int = 0


def count(data: Path, seen: Seen, uncounted: Iterable[str] = ()) -> Counted:
    """`uncounted`: ids of calls that have rows and are not in `seen`."""
    rows = Lake(data).ask(lambda connection: fetch(connection, ROWS)).records()
    return counted_rows(list(rows), seen, uncounted)


def counted_rows(rows: Sequence[Mapping[str, Any]], seen: Seen, uncounted: Iterable[str] = ()) -> Counted:
    """`rows`: the answer to ROWS, of whichever engine."""
    costs = {**seen.costs, **dict.fromkeys(uncounted)}
    counted = Counted(rows=len(rows))
    times = Counter(str(row["request_id"]) for row in rows)
    missing = sorted(costs.keys() - times.keys())
    counted.missing = [one for one in missing if costs[one] is not None]
    unanswered = [one for one in missing if costs[one] is None]
    counted.missing_unanswered = [one for one in unanswered if one not in seen.may_be_unread]
    counted.unread = len(unanswered) - len(counted.missing_unanswered)
    counted.unexpected = len(times.keys() - costs.keys())
    counted.doubled = sum(number - 1 for number in times.values())
    for row in rows:
        expected = costs.get(str(row["request_id"]))
        if str(row["request_id"]) in seen.whole and (row["status"] != 200 or row["error_type"]):
            counted.wrong_errors.append(f"{row['request_id']}: {row['status']}, {row['error_type']}")
        if expected is None:
            continue
        counted.expected_nanousd += expected
        counted.found_nanousd += row["cost_nanousd"] or 0
        if (row["cost_nanousd"] or 0) != expected:
            counted.wrong_costs.append(
                f"{row['request_id']}: expected {expected}, row has {row['cost_nanousd']} ({row['status']}, {row['error_type']})"
            )
    return counted


def wrong_rows(counted: Counted, seen: Seen) -> list[str]:
    """What is wrong with rows that are there, and with answers."""
    problems = []
    if counted.doubled or counted.unexpected:
        problems.append(f"{counted.doubled} rows doubled, {counted.unexpected} of calls that nobody made")
    if counted.wrong_costs:
        problems.append(f"{len(counted.wrong_costs)} rows with another cost, e.g. {'; '.join(counted.wrong_costs[:3])}")
    if counted.wrong_errors:
        problems.append(
            f"{len(counted.wrong_errors)} rows with an error of calls that were answered in whole, e.g."
            f" {'; '.join(counted.wrong_errors[:3])}"
        )
    if seen.strange:
        problems.append(f"{len(seen.strange)} answers could not be read, e.g. {'; '.join(seen.strange[:3])}")
    return problems
