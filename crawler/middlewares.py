"""What stands between a spider and the wire."""

from scrapy import Request

from configs.settings import settings
from crawler.sites import refuse_far


class LoopbackGuard:
    """Outside production nothing leaves this machine: refuses every other address, and every proxy on one.

    It stands last before the wire, so redirects and stand-ins are seen as they are really asked, and it looks no
    name up. It asks the settings each time: a spider of any system, and any request of one, is bound by it.
    """

    def process_request(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            crawler.sites.AddressRefused: it would leave; the text says how to allow that.
        """
        refuse_far(request.url, settings())
        if proxy := request.meta.get("proxy"):
            refuse_far(proxy if "://" in proxy else f"http://{proxy}", settings())
