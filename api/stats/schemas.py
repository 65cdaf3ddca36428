"""Body of /api/stats."""

from api.detections.schemas import DetectionStats
from api.schemas import Answer


class WatchLevels(Answer):
    """How many desks are watched: `full` (slots are seen), `presence` (a captcha hides them), `none`."""

    full: int
    presence: int
    none: int


class PublicStats(DetectionStats):
    """Figures for the landing page: detections, told with the delay of public pages, and desks by watch level."""

    desks: WatchLevels
