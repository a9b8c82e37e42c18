"""What the simulator takes at the most: a bare load generator, many connections and ready requests.

`python -m benchmarks.bare_load HOST PORT CA PATH TOKEN PICTURE ACCOUNTS`: uploads the file to each account
once, over asyncio streams without any HTTP library, and prints the uploads a second.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

CONNECTIONS = 32
BOUNDARY = "bare-load"


async def _connection(
    address: tuple[str, int], trust: ssl.SSLContext, requests: Iterator[bytes]
) -> None:
    reader, writer = await asyncio.open_connection(*address, ssl=trust)
    for request in requests:  # shared: each connection takes the next one
        writer.write(request)
        status = await reader.readline()
        assert b" 200 " in status, status
        length = 0
        while (line := await reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        await reader.readexactly(length)
    writer.close()


def _requests(host: str, path: str, token: str, picture: bytes, accounts: int) -> Iterator[bytes]:
    part = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="p.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    body = part + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    for account in range(1, accounts + 1):
        head = (
            f"POST {path}/api/5/users/{account}/avatar HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {token}\r\nAccept: application/json\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


async def _load(arguments: list[str]) -> float:
    host, port, ca, path, token, file, number = arguments
    accounts, picture = int(number), Path(file).read_bytes()  # noqa: ASYNC240  nothing else runs yet
    trust = ssl.create_default_context(cafile=ca)
    requests = _requests(host, path, token, picture, accounts)
    started = time.monotonic()
    address = (host, int(port))
    await asyncio.gather(*(_connection(address, trust, requests) for _ in range(CONNECTIONS)))
    return accounts / (time.monotonic() - started)


if __name__ == "__main__":
    print(asyncio.run(_load(sys.argv[1:])))
