"""A mail server for tests on 127.0.0.1: STARTTLS, AUTH (only under TLS), mails as files.

Each accepted mail is DIR/mail/NNNNNN.eml, in the order of acceptance: the bytes as they came, below two
lines `X-Envelope-From` and `X-Envelope-To`. A file appears whole, by a rename.

Modes of DIR/control (see control.py), each at the end of a mail's DATA:
  refuse       451, to be tried again; the mail is not kept
  reject       550, for good; the mail is not kept
  delay        waits SECONDS, then keeps it and answers
  drop         closes the connection without an answer; the mail is not kept
  lose-answer  keeps the mail, then closes the connection without an answer
"""

import argparse
import asyncio
import hmac
import os
import pathlib
import signal
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from control import Control

MODES = {"refuse", "reject", "delay", "drop", "lose-answer"}


class MailFolder:
    """Keeps mails in a folder, numbered on from what is there."""

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._last = max((int(file.stem) for file in folder.glob("*.eml")), default=0)

    def keep(self, envelope) -> None:
        self._last += 1
        lines = [f"X-Envelope-From: {envelope.mail_from}", f"X-Envelope-To: {', '.join(envelope.rcpt_tos)}"]
        new = self._folder / f"{self._last:06}.new"
        new.write_bytes("".join(line + "\r\n" for line in lines).encode() + envelope.original_content)
        os.replace(new, new.with_suffix(".eml"))


class Handler:
    def __init__(self, mails: MailFolder, control: Control):
        self._mails = mails
        self._control = control

    async def handle_DATA(self, server, session, envelope):
        fault = self._control.next()
        mode = fault.mode if fault else ""
        if mode == "refuse":
            return "451 4.3.0 refused by the test"
        if mode == "reject":
            return "550 5.7.1 rejected by the test"
        if mode == "delay":
            await asyncio.sleep(fault.seconds)
        if mode != "drop":
            self._mails.keep(envelope)
        if mode in ("drop", "lose-answer"):
            server.transport.abort()
        return "250 2.0.0 kept"


def authenticator(user: str, password: str):
    def authenticate(server, session, envelope, mechanism, data) -> AuthResult:
        ok = (
            isinstance(data, LoginPassword)
            and hmac.compare_digest(data.login, user.encode())
            and hmac.compare_digest(data.password, password.encode())
        )
        return AuthResult(success=ok, handled=False)

    return authenticate


async def serve(args: argparse.Namespace) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(f"{args.dir}/cert.pem", f"{args.dir}/key.pem")
    handler = Handler(MailFolder(pathlib.Path(args.dir) / "mail"), Control(args.dir, MODES))

    def session() -> SMTP:
        return SMTP(
            handler,
            hostname="localhost",
            tls_context=tls,
            require_starttls=True,
            auth_required=True,
            authenticator=authenticator(args.user, args.password),
            data_size_limit=64 << 20,
        )

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(session, "127.0.0.1", args.port)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
