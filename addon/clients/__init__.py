"""Clients that programs take with them: served by the proxy, without dependencies, never imported by it."""
