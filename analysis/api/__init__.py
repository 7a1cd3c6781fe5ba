"""The HTTP API: feedback, logs and questions, in Helicone's wire format, in a process of its own.

The proxy hands on what is sent to its own host and to the label `api.`; nothing that happens here can delay a call.
"""
