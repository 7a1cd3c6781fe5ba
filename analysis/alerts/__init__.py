"""Tells people when the calls of a window meet a condition, once when it begins and once when it is over."""
