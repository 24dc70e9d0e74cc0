"""What an operator does on the page of a system that trades: each act is seen by the commands and, there, by an agent.

The same for every way of running: one process, docker compose, Kubernetes.
"""

from __future__ import annotations

import re
from typing import Final

from playwright.sync_api import expect

from support.agents import Agent
from support.operator_verbs import Operator
from support.page_walk import SEEN_MS, OperatorPage

LEFT: Final = re.compile(r"(\S+) -?[\d.]+: [^;]+")
"""One position that a flatten leaves, with its cause."""
OTHER_MODEL: Final = "hold"
"""In every registry; it never acts."""


def halt_by_page(opened: OperatorPage, operator: Operator) -> None:
    """Halt on the page, resume by a command."""
    opened.show("/")
    opened.control("Halt", "Trading is halted: all orders are cancelled.")
    assert operator.status()["mode"] == "halted"
    opened.expect_mode("Halted")
    assert operator("resume")["result"] == "released"
    opened.expect_mode("Trading")


def resume_by_page(opened: OperatorPage, operator: Operator) -> None:
    """Halt by a command, resume on the page."""
    opened.show("/")
    assert operator("halt")["result"] == "held"
    opened.expect_mode("Halted")
    opened.control("Resume", "Released.")
    operator.until(lambda: operator.status()["mode"] == "running", "trading, when no other hold is in force")
    opened.expect_mode("Trading")


def halt_by_agent(opened: OperatorPage, operator: Operator, agent: Agent) -> None:
    """Page and agent each halt, and each sees the other's halt; only the page resumes."""
    opened.control("Halt", "Trading is halted")
    assert agent("status")["mode"] == "halted"
    opened.control("Resume", "Released.")
    operator.until(lambda: agent("status")["mode"] == "running", "the agent to see it, when no other hold is in force")
    assert agent("halt")["result"] == "held"
    opened.expect_mode("Halted")
    assert operator.status()["mode"] == "halted"
    opened.control("Resume", "Released.")


def flatten_by_page(opened: OperatorPage, operator: Operator, agent: Agent | None = None) -> str:
    """Flatten real positions on the page; what stays open is named with its cause. Returns which."""
    operator.until(lambda: operator("positions")["positions"], "a position to close")
    text = opened.control("Flatten", "Closed: ")
    closed, _, left = text.partition(" Still open: ")
    assert not closed.endswith("Closed: none."), text
    left = left.partition(" The hold flatten")[0]
    held = {each["ticker"] for each in operator("positions")["positions"]}
    assert held <= set(LEFT.findall(left)), (held, text)  # one of them may have been settled
    operator.until(lambda: operator.status()["mode"] == "flattening", "the flatten's hold to be the strictest one")
    opened.expect_mode("Flattening")
    if agent is not None:
        operator.until(lambda: agent("status")["mode"] == "flattening", "the agent to see it")
        assert {each["ticker"] for each in agent("positions")["positions"]} <= held
    assert operator("resume")["result"] == "released"
    opened.expect_mode("Trading")
    return text


def flatten_by_command(opened: OperatorPage, operator: Operator) -> None:
    """Flatten by a command, resume on the page."""
    operator.cli("flatten", "--json")  # its exit code is 1 where a position stays open
    opened.expect_mode("Flattening")
    opened.control("Resume", "Released.")


def switch_model_by_page(opened: OperatorPage, operator: Operator, agent: Agent | None = None) -> None:
    """Switch to another model on the page, and back by a command."""
    first = _active(operator("models", "list"))
    opened.show("/model")
    opened.control(f"Use {OTHER_MODEL}", f"{OTHER_MODEL} is the active model.")
    assert _active(operator("models", "list")) == OTHER_MODEL
    operator.until(lambda: operator.status()["model"] == OTHER_MODEL, "the new model to decide")
    if agent is not None:
        assert _active(agent("model")) == OTHER_MODEL
    assert operator("models", "rollback")["is_active"]
    row = opened.page.get_by_role("row").filter(has=opened.page.get_by_role("rowheader", name=first, exact=True))
    expect(row).to_contain_text("● active", timeout=SEEN_MS)
    expect(opened.part("active")).to_have_text(first, timeout=SEEN_MS)


def _active(listed: dict[str, list[dict[str, object]]]) -> object:
    [name] = [model["name"] for model in listed["models"] if model["is_active"]]
    return name
