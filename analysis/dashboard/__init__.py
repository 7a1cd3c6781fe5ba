"""The dashboard: web pages over the lake, below `/ui` at the proxy's own address, or by `heliograph dashboard`.

docs/architecture.md says how a page is added.
"""
