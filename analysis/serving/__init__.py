"""The processes that serve the HTTP API and the dashboard: behind the proxy, and the dashboard alone."""
