"""``python -m hms_a2a.gtp``: the prover as a service on a bus, or, with ``--once``, for lines of standard input.

On a bus it joins the queue group of the service ``gtp`` and says ``{"event": "ready"}`` on standard output when it
serves. SIGTERM, SIGINT and, with ``--until-stdin-ends``, the end of standard input stop it; what is under way is
finished within five seconds. Exit codes: 0 stopped; 2 settings that cannot be used; 64 wrong usage; 69 no bus.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

from hms_a2a._errors import BadSetting, BusError
from hms_a2a._exporting import exported

if TYPE_CHECKING:
    from collections.abc import Sequence

BAD_INPUT, BAD_USAGE, NO_BUS = 2, 64, 69
_DRAIN_WITHIN_S = 5.0


class _Usage(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(BAD_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    parser = _Usage("python -m hms_a2a.gtp", description="Proves and refutes claims, on a bus or from standard input.")
    parser.add_argument("--once", action="store_true", help="answer lines of standard input, without a bus")
    parser.add_argument("--jobs", type=int, metavar="N", help="with --once: processes that search for one claim")
    parser.add_argument("--nats", metavar="URL", help="the broker (default: as an agent finds it)")
    parser.add_argument("--context", metavar="NAME", help="a context of the nats command line")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes that search (default: the cores, at least 2)"
    )
    parser.add_argument("--connect-within-ms", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when standard input ends")
    parser.add_argument("--log", default="WARNING", help="log level on standard error (default: %(default)s)")
    options = parser.parse_args(arguments)
    for name in ("jobs", "workers"):
        if getattr(options, name) is not None and not 1 <= getattr(options, name) <= 256:
            parser.error(f"--{name} takes 1 to 256")
    logging.basicConfig(level=options.log.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        if options.once:
            from hms_a2a.gtp._once import answer_lines

            asyncio.run(answer_lines(options.jobs or min(2, os.cpu_count() or 1)))
        else:
            with exported("hms-prover"):
                asyncio.run(_serve(options))
    except BadSetting as error:
        print(f"bad configuration: {error}", file=sys.stderr)
        return BAD_INPUT
    except BusError as error:
        print(f"no bus: {error}", file=sys.stderr)
        return NO_BUS
    except KeyboardInterrupt:
        return 0
    return 0


async def _serve(options: argparse.Namespace) -> None:
    from hms_a2a._agent import stop_signal
    from hms_a2a._link import Link
    from hms_a2a._settings import Settings
    from hms_a2a._signing import system_clock
    from hms_a2a.gtp._service import Prover
    from hms_a2a.gtp._workers import Workers

    says = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no event
    settings = Settings.discover(options.nats, options.context)
    link = Link(settings, "gtp")
    stopped = [asyncio.ensure_future(stop_signal())]
    if options.until_stdin_ends:
        stopped.append(asyncio.ensure_future(_end_of_input()))
    await link.open(options.connect_within_ms / 1000)
    try:
        async with Workers(options.workers or max(2, os.cpu_count() or 1)) as workers:
            prover = Prover(link, workers, system_clock)
            await prover.start()
            says.write(b'{"event": "ready"}\n')
            says.flush()
            try:
                await asyncio.wait(stopped, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await prover.stop(_DRAIN_WITHIN_S)
    finally:
        for waiting in stopped:
            waiting.cancel()
        await link.close()


async def _end_of_input() -> None:
    """Wait until standard input ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def read() -> None:
        while os.read(0, 2**12):
            pass
        try:
            loop.call_soon_threadsafe(ended.set)
        except RuntimeError:
            return  # the loop is closed: nobody is interested any more

    threading.Thread(target=read, daemon=True).start()
    await ended.wait()


def run() -> None:
    """The console script."""
    sys.exit(main())


if __name__ == "__main__":
    run()
