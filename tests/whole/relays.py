"""`python -m tests.whole.relays [[[address, port], [address, port]], …]`: passes on what comes to the first to the second.

What listens on loopback alone is reached from another network in this way.
"""

import asyncio
import json
import sys
from contextlib import suppress
from functools import partial

Place = tuple[str, int]


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    with suppress(OSError):
        target.close()


async def serve(place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        there, back = await asyncio.open_connection(*place)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, back), pump(there, writer))


async def relay(pairs: list[tuple[Place, Place]]) -> None:
    for (address, port), place in pairs:
        await asyncio.start_server(partial(serve, place), address, port)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(relay(json.loads(sys.argv[1])))
