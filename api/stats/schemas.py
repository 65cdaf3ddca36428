"""Body of /api/stats."""

from api.delivery_figures.schemas import ChannelDelivery
from api.detections.schemas import DetectionStats
from api.schemas import Answer


class WatchLevels(Answer):
    """How many desks are watched: `full` (slots are seen), `presence` (a captcha hides them), `none`."""

    full: int
    presence: int
    none: int


class PublicStats(DetectionStats):
    """Figures for the landing page: detections, told with the delay of public pages, and desks by watch level.

    `deliveries`: how fast slot alerts arrived by each channel, in the last seven UTC days that are over.
    """

    desks: WatchLevels
    deliveries: list[ChannelDelivery]
