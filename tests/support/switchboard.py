#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""switchboard.py PORT FILE: pass each connection to 127.0.0.1 on to the port that the file names then."""
import asyncio
import sys

port, target = int(sys.argv[1]), sys.argv[2]


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def connect(reader, writer):
    try:
        with open(target, encoding="ascii") as f:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(f.read()))
    except (OSError, ValueError):
        writer.close()
        return
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


async def main():
    server = await asyncio.start_server(connect, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main())
