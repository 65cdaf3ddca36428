"""Spider processes: what each says of itself, scrapyd and its client."""
