"""What leaves the data folder for other tools: rows with bodies, fine-tuning sets, OpenTelemetry spans, HAR."""
