class Unpriced(Exception):
    """The reason why a call has no price, in words."""
