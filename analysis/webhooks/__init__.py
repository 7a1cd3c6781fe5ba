"""Tells others of finished calls, as Helicone's webhooks do, and gives up only into a file."""
