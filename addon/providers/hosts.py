"""Which host belongs to which provider: exact names, and patterns with at most one `*` a label. Linear in the name."""

from collections.abc import Sequence


def host_and_path(entry: str) -> tuple[str, str]:
    """`chatgpt.com/backend-api/codex/` -> ("chatgpt.com", "/backend-api/codex/"); without a path all of the host."""
    host, slash, path = entry.partition("/")
    return host, slash + path


def labels_of(host: str) -> tuple[str, ...]:
    return tuple(host.split("."))


def matches(pattern: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether each label fits the one at its place: `*` stands for one character or more of a label, never for a dot."""
    return len(pattern) == len(labels) and all(map(_label_matches, pattern, labels))


def _label_matches(pattern: str, label: str) -> bool:
    before, star, after = pattern.partition("*")
    if not star:
        return pattern == label
    return len(label) > len(before) + len(after) and label.startswith(before) and label.endswith(after)
