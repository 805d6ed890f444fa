"""Lets the pods of the test cluster reach servers that listen on 127.0.0.1 only.

Each PORT of ADDRESS, this machine's end of the link to the node, leads to the same port of 127.0.0.1.
That a server does not run yet, or no more, is found out by each connection.
"""

import argparse
import asyncio
import contextlib
import signal

CHUNK_BYTES = 256 << 10


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def forwarder(port: int):
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A connection that breaks on one side breaks on the other.
            with contextlib.suppress(OSError):
                server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    async with asyncio.TaskGroup() as both:
                        both.create_task(pump(reader, server_writer))
                        both.create_task(pump(server_reader, writer))
                except* OSError:
                    server_writer.transport.abort()
                    writer.transport.abort()
                finally:
                    server_writer.close()
        finally:
            writer.close()

    return forward


async def serve(address: str, ports: list[int]) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    servers = [await asyncio.start_server(forwarder(port), address, port) for port in ports]
    await stopped.wait()
    for server in servers:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("ports", type=int, nargs="+")
    args = parser.parse_args()
    asyncio.run(serve(args.address, args.ports))


if __name__ == "__main__":
    main()
