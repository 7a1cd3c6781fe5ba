"""Numbers of bytes for people. Pure."""


def size_text(size_bytes: float) -> str:
    """In units of 1,000, as disks are sold: 812 B, 34.5 kB, 1.2 GB."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
