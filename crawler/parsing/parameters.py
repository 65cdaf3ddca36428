"""What a desk's YAML says under `parameters`, where several platforms need the same of it."""

from configs.strict import Strict
from crawler.parsing.answers import Key


class OfPlace(Strict):
    """`place`: the platform's own id of the place, as the page's requests name it."""

    place: Key
