"""Which faults a seed has, and when: a pure function of the seed.

Some strike once, at the next occasion after their time; others stay active for a while.
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
    """The kinds of faults; the comment describes what the system observes."""

    LOST_ACK = "lost_ack"  # the order is placed, its response is lost
    LOST_REQUEST = "lost_request"  # the order never arrives
    LATE_REQUEST = "late_request"  # the order arrives long after the client timed out
    DUPLICATED_REQUEST = (
        "duplicated_request"  # the network delivers the order twice; the client gets the second response
    )
    LOST_CANCEL = "lost_cancel"  # a cancel or its response is lost
    SERVER_ERRORS = "server_errors"  # HTTP 500 or 503, before or after execution
    RATE_LIMITED = "rate_limited"  # HTTP 429
    UNREACHABLE = "unreachable"  # connections are refused
    SLOW = "slow"  # responses take seconds, some longer than the timeout
    STALE_READS = "stale_reads"  # REST lists and the data timestamp stop changing
    PAUSED = "paused"  # the exchange accepts no orders for a while
    DROP_SOCKET = "drop_socket"  # WebSockets break without a closing handshake
    MUTE_SOCKET = "mute_socket"  # WebSockets stay open but deliver nothing
    NO_UPGRADE = "no_upgrade"  # sockets break, and new connections are refused for a while
    SEQUENCE_GAP = "sequence_gap"  # a book frame is left out
    SEQUENCE_RESTART = "sequence_restart"  # a book frame is left out, and the sequence numbers begin at 1 again
    LATE_FILL = "late_fill"  # a fill appears seconds late, on the socket and by REST
    DUPLICATED_FILL_FRAMES = "duplicated_fill_frames"  # private frames are received twice
    REORDERED_FILL_FRAMES = "reordered_fill_frames"  # private frames overtake each other
    LOST_FILL_FRAMES = "lost_fill_frames"  # private frames are never received
    FILLS_DOWN = "fills_down"  # reads of fills fail, and private frames are never received
    ODD_ITEMS = "odd_items"  # some items of the account's lists, and some private frames, can't be read
    WRONG_BALANCE = "wrong_balance"  # the balance is shown $100 too low
    MOVED_CASH = "moved_cash"  # money is deposited on the exchange's own pages
    REOPENED = "reopened"  # a market is paused and opened again
    GRID_CHANGE = "grid_change"  # a market's price step becomes five cents, and later one cent again
    LEDGER_OUTAGE = "ledger_outage"  # ledger calls fail, before or after execution
    DUPLICATED_RECORDS = "duplicated_records"  # the bus delivers records twice
    PUBLISH_FAILS = "publish_fails"  # some publishes fail, before or after they were stored
    BUS_AWAY = "bus_away"  # publishes wait until the fault ends
    CRASH_AT_LABEL = "crash_at_label"  # kill -9 at a labelled point of the money path
    CRASH_AT_USE = "crash_at_use"  # kill -9 before or after the k-th use of any port of a service
    STALL = "stall"  # a service stops running for a while, perhaps while another instance takes over, and resumes
    SECOND = "second"  # a second instance of a service runs beside the first for a while
    RESTART = "restart"  # a service is stopped gracefully and started again
    CLOCK_JUMP = "clock_jump"  # the clock of execution's machine jumps
    POWER_CUT = "power_cut"  # kill -9 of all services, and of the bus with its records


LABELS: Final = {"reserved": "execution", "sent": "execution", "settled": "fill_listener"}
LASTS_S: Final = {
    Kind.SERVER_ERRORS: (2.0, 12.0), Kind.RATE_LIMITED: (1.0, 8.0), Kind.UNREACHABLE: (1.0, 10.0),
    Kind.SLOW: (2.0, 12.0), Kind.STALE_READS: (2.0, 25.0), Kind.PAUSED: (2.0, 20.0), Kind.NO_UPGRADE: (1.0, 15.0),
    Kind.DUPLICATED_FILL_FRAMES: (5.0, 40.0), Kind.REORDERED_FILL_FRAMES: (5.0, 40.0),
    Kind.LOST_FILL_FRAMES: (3.0, 20.0),
    Kind.FILLS_DOWN: (10.0, 100.0), Kind.ODD_ITEMS: (5.0, 40.0), Kind.WRONG_BALANCE: (5.0, 110.0),
    Kind.MOVED_CASH: (60.0, 60.0),
    Kind.REOPENED: (1.0, 15.0), Kind.GRID_CHANGE: (5.0, 40.0),
    Kind.LEDGER_OUTAGE: (0.3, 6.0), Kind.DUPLICATED_RECORDS: (3.0, 30.0),
    Kind.PUBLISH_FAILS: (0.5, 10.0), Kind.BUS_AWAY: (0.5, 20.0),
    Kind.STALL: (0.2, 20.0), Kind.SECOND: (2.0, 40.0),
}  # fmt: skip
AT_THE_EXCHANGE: Final = (Kind.SEQUENCE_GAP, Kind.SEQUENCE_RESTART, Kind.LATE_FILL)
"""Faults that the simulated exchange injects itself."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault; the meaning of its fields depends on the kind."""

    at_s: float
    kind: Kind
    lasts_s: float = 0.0
    count: int = 1
    """The number of orders, or the ordinal of the occasion."""
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
        parts += [f"restarts after {self.restart_s:.2f} s"] if self.restart_s else []
        return ", ".join(parts)


def plan(seed: int, last_s: float = LAST_S) -> tuple[Fault, ...]:
    """Draw the faults of a seed: 8 to 20, of at least five kinds, in the order of their times."""
    random = Random(f"{seed}:faults")
    kinds = random.sample(list(Kind), random.randint(5, 12))
    kinds += random.choices(kinds, k=random.randint(3, 8))
    return tuple(sorted((_draw(random, kind, last_s) for kind in kinds), key=lambda fault: fault.at_s))


def exchange_schedule(faults: tuple[Fault, ...]) -> tuple[str, ...]:
    """Format the simulated exchange's own faults as its settings expect them."""
    return tuple(
        f"{fault.kind}@t={fault.at_s + number:.6f}"
        for fault in faults
        if fault.kind in AT_THE_EXCHANGE
        for number in range(fault.count)
    )


def _draw(random: Random, kind: Kind, last_s: float) -> Fault:
    shortest_s, longest_s = LASTS_S.get(kind, (0.0, 0.0))
    lasts_s = round(random.uniform(shortest_s, min(longest_s, last_s - FIRST_S)), 3)
    at_s = round(random.uniform(FIRST_S, last_s - lasts_s), 3)
    restart_s = round(random.choice((0.01, 0.2, 1.0, 4.0, 12.0)) * random.uniform(0.5, 1.5), 3)
    match kind:
        case (
            Kind.LOST_ACK | Kind.LOST_REQUEST | Kind.LATE_REQUEST | Kind.DUPLICATED_REQUEST | Kind.LOST_CANCEL
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
