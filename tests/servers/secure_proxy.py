"""HTTPS with basic auth in front of a plain HTTP server, both on 127.0.0.1.

Modes of DIR/control (see control.py):
  refuse       503 without asking the server behind
  throttle     429 with Retry-After, as a full OpenSearch answers
  delay        waits SECONDS, then goes on
  drop         closes the connection without asking the server behind
  lose-answer  asks the server behind, then closes the connection without its answer
"""

import argparse
import asyncio
import base64
import hmac
import signal
import ssl

import aiohttp
from aiohttp import web

from control import Control

MODES = {"refuse", "throttle", "delay", "drop", "lose-answer"}
MAX_BODY_BYTES = 256 << 20
# Headers that belong to one connection, or that are the proxy's own matter.
NOT_FORWARDED = {"connection", "keep-alive", "transfer-encoding", "host", "authorization", "content-length"}


class Proxy:
    def __init__(self, behind: str, user: str, password: str, control: Control):
        self._behind = behind
        self._expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._control = control
        self._session: aiohttp.ClientSession | None = None

    async def start(self, _app: web.Application) -> None:
        # Bytes pass through as they are, compressed or not.
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            skip_auto_headers=["Accept-Encoding", "Content-Type", "User-Agent"],
            timeout=aiohttp.ClientTimeout(total=300),
        )

    async def stop(self, _app: web.Application) -> None:
        await self._session.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if not hmac.compare_digest(request.headers.get("Authorization", ""), self._expected):
            return web.Response(status=401, text="Unauthorized", headers={"WWW-Authenticate": "Basic"})
        fault = self._control.next()
        mode = fault.mode if fault else ""
        if mode == "refuse":
            return web.json_response({"error": "refused by the test"}, status=503)
        if mode == "throttle":
            return web.json_response({"error": "rejected_execution"}, status=429, headers={"Retry-After": "1"})
        if mode == "drop":
            return self._close(request)
        if mode == "delay":
            await asyncio.sleep(fault.seconds)
        response = await self._forward(request)
        return self._close(request) if mode == "lose-answer" else response

    async def _forward(self, request: web.Request) -> web.Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in NOT_FORWARDED}
        try:
            async with self._session.request(
                request.method, self._behind + request.raw_path, headers=headers, data=await request.read()
            ) as answer:
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in NOT_FORWARDED}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except aiohttp.ClientError as error:
            return web.json_response({"error": str(error)}, status=502)

    @staticmethod
    def _close(request: web.Request) -> web.Response:
        request.transport.abort()
        return web.Response(status=500)  # reaches nobody


async def serve(args: argparse.Namespace) -> None:
    proxy = Proxy(f"http://127.0.0.1:{args.to}", args.user, args.password, Control(args.dir, MODES))
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    app.on_startup.append(proxy.start)
    app.on_cleanup.append(proxy.stop)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(f"{args.dir}/cert.pem", f"{args.dir}/key.pem")

    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    # The server behind is to see what the client sent, compressed or not.
    runner = web.AppRunner(app, auto_decompress=False, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", args.listen, ssl_context=tls).start()
    await stopped.wait()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
