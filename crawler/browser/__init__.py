"""Pages that need a browser: Chromium through scrapy-playwright, a context of its own for each check.

`pool` starts browsers, replaces and ends them; a `tab` is one check's page, `traffic` says what that page may ask,
`wire` is its only way to the network; `session` is the check's conversation, as crawler/fetching/session.py is by HTTP.
"""
