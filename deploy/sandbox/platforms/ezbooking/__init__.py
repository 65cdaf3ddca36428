"""EZBooking, the old booking module of the prefectures' sites: its wizard, its sessions, its calendar.

Written from what several public bots agree on; the wording around the known sentences is ours.
"""

from __future__ import annotations

from typing import Final

from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.platforms.ezbooking.wizard import EZBooking

PLATFORM: Final = StandInPlatform(add_routes=EZBooking.add_to)
