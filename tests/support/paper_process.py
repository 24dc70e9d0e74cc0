"""The simulated exchange in a process of its own, so that a test can kill it: ``python -m support.paper_process``.

Arguments: the settings as JSON. Prints its address when it is ready.
"""

from __future__ import annotations

import asyncio
import sys

import structlog

from truebook.clock import SystemClock
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings


async def main() -> None:
    settings = PaperExchangeSettings.model_validate_json(sys.argv[1])
    exchange = PaperExchange(settings, SystemClock(), structlog.get_logger())
    await exchange.start()
    sys.stdout.write(f"ready {exchange.url}\n")
    sys.stdout.flush()
    await exchange.wait()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main())
