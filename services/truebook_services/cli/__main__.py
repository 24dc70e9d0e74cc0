"""The command ``truebook``. Each verb stands in its own module; here they are put together."""

from __future__ import annotations

import typer

from truebook_services.cli.dead_letters import dead_letters
from truebook_services.cli.doctor import doctor
from truebook_services.cli.errors import exit_with_one_line
from truebook_services.cli.exchange import exchange
from truebook_services.cli.operator import halt, resume, status
from truebook_services.cli.record import record
from truebook_services.cli.run import run
from truebook_services.cli.serve import serve
from truebook_services.cli.topics import topics
from truebook_services.cli.why import why

app = typer.Typer(
    help="Trades Kalshi prediction markets on paper with a policy that you bring, and keeps true books.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command()(exchange)
app.command()(record)
app.command()(status)
app.command()(why)
app.command()(doctor)
app.command()(halt)
app.command()(resume)
app.command()(serve)
app.command()(topics)
app.command()(dead_letters)


def main() -> None:
    """Run the command; what is expected to go wrong ends in one clear line and a documented exit code."""
    with exit_with_one_line():
        app()


if __name__ == "__main__":
    main()
