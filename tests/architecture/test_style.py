"""Style rules that a machine can check. Each test lists every violation of its rule."""

from __future__ import annotations

import ast
from collections import Counter

import pytest
from source_tree import ROOT, SOURCES, Source, dotted, sources

MAX_LINES = 400
MAX_FUNCTION_LINES = 70
MAX_POSITIONAL = 5
MAX_LUA_LINES = 80
MAY_TAKE_MORE = {"observation_id": "the parts of an id, in the order in which they are hashed"}

CLOCK_READERS = frozenset({
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now",
    "datetime.datetime.utcnow", "datetime.date.today", "time.localtime", "time.gmtime", "time.sleep",
})  # fmt: skip
MAY_CATCH_ALL = {
    "services/truebook_services/alerts/delivery.py": "a thread that calls a library of many protocols: any error is "
    "one failed attempt, and is reported",
    "services/truebook_services/dashboard/controls.py": "each request of a page has one outcome: an error of any other "
    "kind is logged, and the outcome is unknown",
}
MAY_READ_THE_CLOCK = {
    "libs/truebook/models/pointer.py": "waits between tries for the lock of the registry, which other processes hold",
    "libs/truebook/clock.py": "it is the injected clock",
    "services/truebook_services/paper_exchange/engine/checkpoint.py": "saves are paced by their real duration",
    "services/truebook_services/paper_exchange/engine/forked_save.py": "measures the real duration of a save",
    "libs/truebook/ledger/redis/bundled.py": "waits in real time for a server process to start and to stop",
}
RANDOMNESS = frozenset({"uuid.uuid1", "uuid.uuid4", "os.urandom", "secrets.token_urlsafe", "secrets.token_hex"})
MAY_USE_RANDOMNESS = {
    "libs/truebook/files.py": "names of part files: processes of two containers may have the same id",
    "libs/truebook/ledger/memory_store.py": "ledger ids must be unique",
    "libs/truebook/ledger/redis/store.py": "ledger ids must be unique",
    "services/truebook_services/cli/account.py": "a transfer that is not a repetition needs a new id",
    "services/truebook_services/dashboard/access.py": "a token must be unguessable",
    "services/truebook_services/dashboard/guard.py": "a nonce must be unguessable",
    "services/truebook_services/dashboard/sessions.py": "sessions must be unique",
    "services/truebook_services/execution/__main__.py": "lease owners must be unique",
    "services/truebook_services/operator/access.py": "a token must be unguessable",
    "services/truebook_services/paper_exchange/auth.py": "new key pairs need unique ids",
    "services/truebook_services/paper_exchange/rest/api_keys.py": "new keys need unique ids",
    "services/truebook_services/paper_exchange/rest/operator_access.py": "a token must be unguessable",
}
CLIENTS = frozenset({
    "Client", "AsyncClient", "Redis", "from_url", "ConnectionPool", "Console", "CollectorRegistry", "Counter",
    "Gauge", "Histogram", "MemoryBus", "Metrics", "get_logger", "getLogger", "logger", "Lock", "Event", "Semaphore",
    "Queue", "SystemClock", "InferenceSession", "ThreadPoolExecutor",
})  # fmt: skip
MONEY = ("libs/truebook/money.py", "libs/truebook/venue/fees.py")


def keeps_money(source: Source) -> bool:
    return source.name in MONEY or source.name.startswith("libs/truebook/ledger/")


def test_files_are_at_most_400_lines_long() -> None:
    assert [
        s.name for s in sources(*SOURCES, "deploy", "bench", "examples", "tests") if s.text.count("\n") > MAX_LINES
    ] == []


def test_functions_are_at_most_70_lines_long() -> None:
    too_long = [
        f"{where}: {node.end_lineno - node.lineno + 1}"
        for source in sources(*SOURCES, "deploy", "bench", "examples", "tests")
        for where, node in source.functions()
        if node.end_lineno is not None and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_functions_take_at_most_five_arguments_by_position() -> None:
    """Except commands, whose arguments are flags, and constructors, which the composition root calls once."""
    too_many = []
    for source in sources(*SOURCES):
        for where, node in source.functions():
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            excused = "/cli/" in source.name or node.name == "__init__" or node.name in MAY_TAKE_MORE
            if not excused and len([name for name in names if name not in ("self", "cls")]) > MAX_POSITIONAL:
                too_many.append(where)
    assert too_many == []


def test_every_module_has_a_docstring() -> None:
    assert [s.name for s in sources(*SOURCES) if s.text.strip() and ast.get_docstring(s.tree) is None] == []


def test_no_blind_except_swallows_errors() -> None:
    """``except Exception`` (or wider) must raise on some path: classifying errors is allowed, swallowing all is not."""
    blind = [
        f"{source.name}:{handler.lineno}"
        for source in sources(*SOURCES)
        for handler in ast.walk(source.tree)
        if isinstance(handler, ast.ExceptHandler)
        and (handler.type is None or dotted(handler.type) in ("Exception", "BaseException"))
        and not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
        and source.name not in MAY_CATCH_ALL
    ]
    assert blind == []


def test_nothing_suppresses_all_exceptions() -> None:
    blind = [
        f"{source.name}:{node.lineno}"
        for source in sources(*SOURCES)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and dotted(node.func).endswith("suppress")
        and any(dotted(argument) in ("Exception", "BaseException") for argument in node.args)
    ]
    assert blind == []


def test_nothing_is_built_at_import_time() -> None:
    """No module-level client, logger, lock or registry; no ``global``: the composition root builds."""
    built = []
    for source in sources(*SOURCES):
        for node in source.tree.body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] in CLIENTS:
                built.append(f"{source.name}:{node.lineno}")
        built += [f"{source.name}:{n.lineno} global" for n in ast.walk(source.tree) if isinstance(n, ast.Global)]
    assert built == []


def test_only_the_clock_reads_the_time() -> None:
    assert calls_of(CLOCK_READERS) - set(MAY_READ_THE_CLOCK) == set()


def test_randomness_has_a_seed_or_a_stated_reason() -> None:
    assert calls_of(RANDOMNESS) - set(MAY_USE_RANDOMNESS) == set()


def test_the_global_random_generator_is_not_used() -> None:
    used = [
        f"{source.name}:{node.lineno}"
        for source in sources(*SOURCES)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and dotted(node).startswith("random.") and dotted(node) != "random.Random"
    ]
    assert used == []


def calls_of(functions: frozenset[str]) -> set[str]:
    return {
        source.name
        for source in sources(*SOURCES)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and dotted(node) in functions
    }


def test_money_and_the_ledger_use_no_floats() -> None:
    """Durations in seconds apart: names that end in ``_s``, and time-outs."""
    found = [
        f"{source.name}:{line}"
        for source in sources("libs")
        if keeps_money(source)
        for line in float_lines(source.tree)
    ]
    assert found == []


def float_lines(tree: ast.Module) -> list[int]:
    """Lines with a float literal, the word ``float`` or, where ``/`` does not join paths, a true division."""
    joins_paths = any(isinstance(n, ast.ImportFrom) and n.module in ("pathlib", "importlib") for n in ast.walk(tree))
    excused: set[ast.AST] = {n for n in ast.walk(tree) if joins_paths and isinstance(n, ast.BinOp)}
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.expr() as target) | ast.Assign(targets=[target]):
                name = dotted(target)
            case ast.keyword(arg=str(name)) | ast.arg(arg=name):
                pass
            case ast.Call(func=function):
                name = dotted(function)
            case _:
                continue
        if name.lower().endswith(("_s", "timeout", "sleep")):
            excused |= set(ast.walk(node))
    return sorted(
        {
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.expr) and is_float(node) and node not in excused
        }
    )


def is_float(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=float()) | ast.Name(id="float") | ast.BinOp(op=ast.Div()):
            return True
        case _:
            return False


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("fee = 0.07", True),
        ("half = cash / 2", True),
        ("cash = float(text)", True),
        ("def charge(cash: float) -> int: ...", True),
        ("half = cash // 2", False),
        ("DELAY_S = 0.5", False),
        ("def wait(timeout_s: float) -> None: ...", False),
        ("call(cash=1.5, timeout_s=2.5)", True),
        ("asyncio.timeout(1.0)", False),
    ],
)
def test_floats_are_found_but_durations_are_allowed(line: str, is_found: bool) -> None:
    assert bool(float_lines(ast.parse(line))) is is_found


def test_a_lua_script_is_one_short_verb_with_a_header() -> None:
    scripts = sorted((ROOT / "libs/truebook/ledger/lua").glob("*.lua"))
    assert scripts
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        header = text.split("\n")[1] if text.startswith("#!lua") else text
        assert header.startswith("-- "), f"{script.name} has no header"
        max_lines = MAX_LINES if script.stem.startswith("common") else MAX_LUA_LINES
        assert text.count("\n") <= max_lines, script.name


def test_every_lua_verb_has_the_name_of_a_python_method_or_caller() -> None:
    library = "".join(source.text for source in sources("libs") if "/ledger/" in source.name)
    verbs = [
        path.stem for path in (ROOT / "libs/truebook/ledger/lua").glob("*.lua") if not path.stem.startswith("common")
    ]
    assert [verb for verb in verbs if f'"{verb}"' not in library and f"def {verb}" not in library] == []


def test_test_files_have_unique_names() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1 and name.startswith("test_")] == []
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_settings_are_frozen_and_refuse_unknown_fields() -> None:
    import importlib

    from pydantic import BaseModel

    checked = 0
    for path in sorted((ROOT / "services/truebook_services").glob("*/settings.py")):
        module = importlib.import_module(f"truebook_services.{path.parent.name}.settings")
        for name, kind in vars(module).items():
            if name.endswith("Settings") and isinstance(kind, type) and kind.__module__ == module.__name__:
                assert issubclass(kind, BaseModel)
                assert kind.model_config.get("extra") == "forbid", name
                assert kind.model_config.get("frozen") is True, name
                checked += 1
    assert checked
