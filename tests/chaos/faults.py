"""Which faults a seed has, and when: a pure function of the seed.

Some strike once, at the next occasion after their time; some are weather that lasts for a while.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Final

import msgspec

SERVICES: Final = ("reconciler", "fill_listener", "execution", "policy", "observation", "ingest")
MONEY_PATH: Final = ("execution", "fill_listener", "reconciler")
FIRST_S: Final = 8.0
LAST_S: Final = 285.0


class Kind(StrEnum):
    """The kinds of faults; the comment says what the system sees of it."""

    LOST_ACK = "lost_ack"  # the order is placed, its answer never comes
    LOST_REQUEST = "lost_request"  # the order never arrives
    LATE_REQUEST = "late_request"  # the order arrives long after we have given up waiting
    DOUBLED_REQUEST = "doubled_request"  # something on the way sends the order twice; we get the second answer
    LOST_CANCEL = "lost_cancel"  # a cancel, or its answer, gets lost
    SERVER_ERRORS = "server_errors"  # HTTP 500 or 503, before or after the work was done
    RATE_LIMITED = "rate_limited"  # HTTP 429
    UNREACHABLE = "unreachable"  # connections are refused
    SLOW = "slow"  # answers take seconds, some longer than we wait
    STALE_READS = "stale_reads"  # lists by REST stand still; so does the data time-stamp
    PAUSED = "paused"  # the exchange takes no orders for a while
    DROP_SOCKET = "drop_socket"  # WebSockets break without a closing handshake
    MUTE_SOCKET = "mute_socket"  # WebSockets stay open and say nothing any more
    NO_UPGRADE = "no_upgrade"  # sockets break, and new ones are refused for a while
    SEQUENCE_GAP = "sequence_gap"  # a book frame is left out
    LATE_FILL = "late_fill"  # a fill shows seconds late, on the socket and by REST
    DOUBLED_FILLS = "doubled_fills"  # private frames come twice
    REORDERED_FILLS = "reordered_fills"  # private frames overtake each other
    UNTOLD_FILLS = "untold_fills"  # private frames are never told
    LEDGER_OUTAGE = "ledger_outage"  # ledger calls fail, before or after they were carried out
    DOUBLED_RECORDS = "doubled_records"  # the bus delivers records twice
    CRASH_AT_LABEL = "crash_at_label"  # kill -9 at a labelled point of the money path
    CRASH_AT_USE = "crash_at_use"  # kill -9 before or after the k-th use of any port of a service
    STALL = "stall"  # a service stands still for a while, perhaps while another one takes over, and goes on
    SECOND = "second"  # another one of a service runs beside the first for a while
    RESTART = "restart"  # a service is stopped gracefully and started again
    CLOCK_JUMP = "clock_jump"  # the clock of execution's machine jumps
    POWER_CUT = "power_cut"  # kill -9 of all services, and of the bus with what it holds


LABELS: Final = {"reserved": "execution", "sent": "execution", "settled": "fill_listener"}
LASTS_S: Final = {
    Kind.SERVER_ERRORS: (2.0, 12.0), Kind.RATE_LIMITED: (1.0, 8.0), Kind.UNREACHABLE: (1.0, 10.0),
    Kind.SLOW: (2.0, 12.0), Kind.STALE_READS: (2.0, 25.0), Kind.PAUSED: (2.0, 20.0), Kind.NO_UPGRADE: (1.0, 15.0),
    Kind.DOUBLED_FILLS: (5.0, 40.0), Kind.REORDERED_FILLS: (5.0, 40.0), Kind.UNTOLD_FILLS: (3.0, 20.0),
    Kind.LEDGER_OUTAGE: (0.3, 6.0), Kind.DOUBLED_RECORDS: (3.0, 30.0),
    Kind.STALL: (0.2, 20.0), Kind.SECOND: (2.0, 40.0),
}  # fmt: skip
AT_THE_EXCHANGE: Final = (Kind.SEQUENCE_GAP, Kind.LATE_FILL)
"""These the simulated exchange has on demand by itself."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault; what its fields mean depends on the kind."""

    at_s: float
    kind: Kind
    lasts_s: float = 0.0
    count: int = 1
    """How many orders, or the how-many-th occasion."""
    service: str = ""
    label: str = ""
    restart_s: float = 0.0
    jump_s: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.service}"] if self.service else []
        parts += [f"at {self.label!r}"] if self.label else []
        parts += [f"for {self.lasts_s:.1f} s"] if self.lasts_s else []
        parts += [f"count {self.count}"] if self.count > 1 else []
        parts += [f"by {self.jump_s:+.2f} s"] if self.jump_s else []
        parts += [f"back after {self.restart_s:.2f} s"] if self.restart_s else []
        return ", ".join(parts)


def plan(seed: int, last_s: float = LAST_S) -> tuple[Fault, ...]:
    """Draw the faults of a seed: 8 to 20, of at least five kinds, in the order of their times."""
    random = Random(f"{seed}:faults")
    kinds = random.sample(list(Kind), random.randint(5, 12))
    kinds += random.choices(kinds, k=random.randint(3, 8))
    return tuple(sorted((_draw(random, kind, last_s) for kind in kinds), key=lambda fault: fault.at_s))


def exchange_schedule(faults: tuple[Fault, ...]) -> tuple[str, ...]:
    """Write the faults that are the simulated exchange's own in its words."""
    return tuple(
        f"{fault.kind}@t={fault.at_s + number:.6f}"
        for fault in faults
        if fault.kind in AT_THE_EXCHANGE
        for number in range(fault.count)
    )


def _draw(random: Random, kind: Kind, last_s: float) -> Fault:
    shortest_s, longest_s = LASTS_S.get(kind, (0.0, 0.0))
    lasts_s = round(random.uniform(shortest_s, longest_s), 3)
    at_s = round(random.uniform(FIRST_S, last_s - lasts_s), 3)
    restart_s = round(random.choice((0.01, 0.2, 1.0, 4.0, 12.0)) * random.uniform(0.5, 1.5), 3)
    match kind:
        case (
            Kind.LOST_ACK | Kind.LOST_REQUEST | Kind.LATE_REQUEST | Kind.DOUBLED_REQUEST | Kind.LOST_CANCEL
            | Kind.LATE_FILL
        ):  # fmt: skip
            return Fault(at_s=at_s, kind=kind, count=random.randint(1, 4))
        case Kind.CRASH_AT_LABEL:
            label = random.choice(list(LABELS))
            return Fault(
                at_s=at_s, kind=kind, label=label, service=LABELS[label], count=random.randint(1, 3),
                restart_s=restart_s,
            )  # fmt: skip
        case Kind.CRASH_AT_USE:
            service = random.choice(MONEY_PATH if random.random() < 0.6 else SERVICES)
            return Fault(at_s=at_s, kind=kind, service=service, count=random.randint(1, 120), restart_s=restart_s)
        case Kind.STALL | Kind.SECOND | Kind.RESTART:
            service = random.choice(MONEY_PATH if random.random() < 0.7 else SERVICES)
            return Fault(at_s=at_s, kind=kind, service=service, lasts_s=lasts_s, restart_s=restart_s)
        case Kind.CLOCK_JUMP:
            return Fault(at_s=at_s, kind=kind, jump_s=round(random.choice((-1, 1)) * random.uniform(0.2, 4.0), 3))
        case Kind.POWER_CUT:
            return Fault(at_s=at_s, kind=kind, restart_s=restart_s)
        case _:
            return Fault(at_s=at_s, kind=kind, lasts_s=lasts_s)
