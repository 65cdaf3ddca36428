"""Spider of the prefectures' own booking pages: EZBooking and what replaced it."""

from crawler.booking import BookingSpider


class PrefenligneSpider(BookingSpider):
    """Checks the desks whose platform belongs to prefenligne."""

    name = "prefenligne"
    system = "prefenligne"
