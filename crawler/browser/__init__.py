"""Pages that need a browser: Chromium through scrapy-playwright, with a separate context for each check.

`pool` starts, replaces and ends browsers. `check_page` is one check's page, `request_policy` decides its requests,
`egress_proxy` is its only way to the network. `session` is the browser's counterpart of crawler/fetching/session.py.
"""
