"""Values and names as SQL, where a statement cannot bind them: in views, and in text that others run."""


def quoted(name: str) -> str:
    """A name as SQL. Every one is quoted: `user` is a keyword."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
