"""Spider processes: their own reports, scrapyd and its client."""
