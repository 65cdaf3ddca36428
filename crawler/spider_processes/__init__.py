"""Spider processes: the loop that keeps them running, their own reports, scrapyd and its client."""
