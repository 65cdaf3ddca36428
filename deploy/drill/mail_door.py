"""TLS before the stand-in of a mail server, which speaks without: `python -m deploy.drill.mail_door FOLDER HOST PORT`.

nginx cannot do it here: Debian's has no stream module.
"""

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path

from deploy.sandbox.addresses import PROVIDERS_PORT, SMTP

_CHUNK = 65536


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
    target.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        theirs, ours = await asyncio.open_connection(SMTP, PROVIDERS_PORT)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_copy(reader, ours), _copy(theirs, writer))


async def serve(folder: Path, host: str, port: int) -> None:
    """Serve with the certificate of the folder, until the task is cancelled."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "fullchain.pem", folder / "privkey.pem")
    server = await asyncio.start_server(_forward, host, port, ssl=context)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
