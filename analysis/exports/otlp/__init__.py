"""Calls as OpenTelemetry spans, sent to an OTLP endpoint: live, and of the past."""
