"""Limits of browsers: how long they may take, and how much they may serve and hold."""

from configs.settings.constants import Constant

# Longest duration of one check by browser
BROWSER_DEADLINE_SECONDS = Constant("BROWSER_DEADLINE_SECONDS", 45.0)
# For how long a browser waits, at each step, for what a page is to show; then it reads what is there
BROWSER_WAIT_SECONDS = Constant("BROWSER_WAIT_SECONDS", 10.0)
# For how long a browser may take to start
BROWSER_START_SECONDS = Constant("BROWSER_START_SECONDS", 30.0)
# After how long without a check a browser ends; the next check starts one
BROWSER_IDLE_SECONDS = Constant("BROWSER_IDLE_SECONDS", 300.0)
# How many checks by browser one process runs at once, in one browser
BROWSER_PLACES = Constant("BROWSER_PLACES", 2)
# How many checks one browser serves before a new one takes its place
BROWSER_CHECKS = Constant("BROWSER_CHECKS", 100)
# Memory of a browser and all its processes from which on a new one takes its place
BROWSER_MEMORY_MB = Constant("BROWSER_MEMORY_MB", 1000)
