"""Pages that need a browser: Chromium through scrapy-playwright, with a separate context for each check.

`browser_process` starts and replaces the browser of a crawl. `page` is the session and the page of one check, `actions`
what it does there; `request_policy` decides what the page may ask, `egress_proxy` is its only way to the network.
"""

from configs.settings import Constant

# Longest duration of one check by browser
browser_deadline_seconds = Constant("BROWSER_DEADLINE_SECONDS", 45.0)
# For how long a browser waits, at each step, for what a page is to show; then it reads what is there
browser_wait_seconds = Constant("BROWSER_WAIT_SECONDS", 10.0)
# For how long a browser may take to start
browser_start_seconds = Constant("BROWSER_START_SECONDS", 30.0)
# How many checks by browser one process runs at once, in one browser
browser_places = Constant("BROWSER_PLACES", 2)
