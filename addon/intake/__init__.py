"""What programs say after the fact (logged calls, OpenTelemetry spans, ratings, scores, properties), made ready for the journal.

Pure: no HTTP and no database. `analysis/api/` and `heliograph feedback` read the input and write the journal.
"""
