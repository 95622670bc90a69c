"""This module is the verb that serves an index over HTTP."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import click

from search.options import index_option

if TYPE_CHECKING:
    from indexer import Place
    from search.server.presence import Presence

_PORT, _TRIED = 8000, 100  # where to begin, and how many ports are tried
_GRACE = 30  # seconds that requests in progress have when the server is asked to stop


@click.command()
@index_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address to bind; beyond this machine only with a token."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port, 0 for any; if not given, 8000 or the next that is free."
)
@click.option(
    "--token",
    envvar="KINDRED_TOKEN",
    metavar="TEXT",
    help="What clients must send as a bearer token; KINDRED_TOKEN sets it as well, unseen by others.",
)
@click.option(
    "--cors",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="A site whose pages may ask, as https://notes.example.org; may be repeated.",
)
@click.option(
    "--log",
    "log",
    type=click.Choice(["plain", "json", "off"]),
    default="plain",
    show_default=True,
    help="How each request is logged on stderr.",
)
def serve(place: Place, host: str, port: int | None, token: str | None, origins: tuple[str, ...], log: str) -> None:
    """Serve the index to browsers, editors and other programs on this machine, until Ctrl+C.

    The API stands under /api, described by /api/openapi.json, with figures for Prometheus at /metrics.  A new
    generation of the index takes over by itself.  Requests from pages of other sites are refused.

    While it runs, `kindred search` lets it search: three times as quick, with the same answer.

    Example: kindred serve --index ~/vault-index --port 8000
    """
    from search.server.guard import is_loopback

    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise click.BadParameter("is not made of visible ASCII characters.", param_hint="--token")
    if token is None and not is_loopback(host):
        raise click.UsageError(f"{host} is reached from other machines: give --token or KINDRED_TOKEN.")
    for origin in origins:
        if not re.fullmatch(r"https?://[^/?#\s]+", origin):
            raise click.BadParameter(f"{origin!r} is no origin, as https://notes.example.org is.", param_hint="--cors")
    _log_to_stderr(log)

    import uvicorn

    from indexer import one_blas_thread, own_folder
    from search.server.app import create_app
    from search.server.arenas import keep_together
    from search.server.connections import limited
    from search.server.presence import Presence

    keep_together()
    presence = Presence(own_folder(place))
    app = create_app(place, host, token, origins, secret=presence.secret)
    listener = _listener(host, port)
    address = listener.getsockname()
    shown = f"[{address[0]}]" if ":" in address[0] else address[0]
    logging.getLogger("kindred.serve").warning("serving %s at http://%s:%s", place, shown, address[1])
    config = uvicorn.Config(
        app,
        http=limited(),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
    )
    # uvicorn stops gracefully at a signal and raises it again afterwards: this makes SIGTERM leave by the door as well.
    signal.signal(signal.SIGTERM, _leave)
    try:
        _announce(presence, host, address[1])
        with one_blas_thread():
            uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        presence.withdraw()
        listener.close()


def _announce(presence: Presence, host: str, port: int) -> None:
    """Let `kindred search` find the server; where the folder cannot be written it searches by itself, as ever."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - as they are reached from here
    try:
        presence.announce(anywhere.get(host, host.strip("[]")), port)
    except OSError as error:
        logging.getLogger("kindred.serve").warning("kindred search will not find this server (%s)", error.strerror)


def _leave(signum: int, frame: Any) -> None:
    sys.exit(0)


def _listener(host: str, port: int | None) -> socket.socket:
    """A socket that listens on the port, or on the first free one from 8000 on."""
    wanted = [port] if port is not None else range(_PORT, _PORT + _TRIED)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    problem: OSError | None = None
    for number in wanted:
        listener = socket.socket(family)
        if os.name != "nt":  # where it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host.strip("[]"), number))
            listener.listen()  # from here on who connects is answered, as soon as the server runs
        except OSError as error:
            listener.close()
            problem = error
        else:
            return listener
    raise click.ClickException(f"{host}:{wanted[0]} cannot be bound ({problem and problem.strerror}).")


def _log_to_stderr(form: str) -> None:
    from search.server.metrics import JsonLines, PlainLines

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else PlainLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("kindred.serve").setLevel(logging.WARNING if form == "off" else logging.INFO)
