"""This module is the verb that lets assistants use an index, over MCP."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import click

from search.options import index_option

if TYPE_CHECKING:
    from indexer import Place

_HOST = "127.0.0.1"  # never another: whoever reaches the server reads the notes
_GRACE = 2  # seconds that streams in progress have at Ctrl+C


@click.command()
@index_option
@click.option("--http", is_flag=True, help="Speak streamable HTTP to programs on this machine, instead of stdio.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="The port of --http, 0 for any."
)
def mcp(place: Place, http: bool, port: int) -> None:
    """Let assistants search the notes, over the Model Context Protocol.

    An assistant starts this command itself and talks to it through stdin and stdout; give it the whole path of the
    index.  With --http the server runs by itself at http://127.0.0.1:PORT/mcp, until Ctrl+C, and refuses the pages of
    other sites; it knows no token, so that every user of this machine may ask it.

    It reads and changes nothing.  A new generation of the index takes over by itself.

    Example: kindred mcp --index ~/vault-index
    """
    from indexer import KindredError, pip_line

    try:
        from search.mcp.server import open_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise KindredError(f"kindred mcp needs the package mcp; type: {pip_line('mcp')}") from error

    server = open_server(place)
    if not http:
        # Python would wait for the thread that reads stdin, and Ctrl+C do nothing until a client hangs up.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        server.run("stdio")
        return

    import uvicorn

    from search.display import safe
    from search.server.connections import limited

    try:
        with _listener(port) as listener:
            click.echo(safe(f"Serving {place} at http://{_HOST}:{listener.getsockname()[1]}/mcp"), err=True)
            config = uvicorn.Config(
                server.streamable_http_app(host=_HOST),
                http=limited(),
                ws="none",
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
            )
            uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        raise click.BadParameter(f"{port} cannot be used ({error.strerror}).", param_hint="--port") from error
