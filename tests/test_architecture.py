"""What import-linter cannot see of the project's shape. Each rule says what to do, and is shown to catch its case."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = sorted(path for folder in ("src/haulcast", "geo") for path in (ROOT / folder).rglob("*.py"))

CLOCK_CALLS = {
    "time": {
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "localtime",
        "gmtime",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
VAGUE_NAMES = {"util", "utils", "common", "base", "manager", "managers", "helper", "helpers", "misc", "core"}
COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "cfunc"}
MODULE_LINES, FUNCTION_LINES, KERNEL_LINES, STEP_LINES = 400, 60, 150, 100


@dataclass(frozen=True)
class Module:
    """One product file: its path from the repository's root, and its text."""

    path: PurePosixPath
    text: str

    @property
    def is_kernel(self) -> bool:
        return self.path.parent == PurePosixPath("geo/kernels") and self.path.name != "__init__.py"

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        return (node for node in ast.walk(ast.parse(self.text)) if isinstance(node, kinds))


def _uses(module: Module, owners: dict[str, set[str]]) -> Iterator[tuple[int, str]]:
    """Where `owner.name` is written, or `from owner import name`."""
    for node in module.nodes(ast.Attribute):
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
        if node.attr in owners.get(owner, ()):
            yield node.lineno, f"{owner}.{node.attr}"
    for node in module.nodes(ast.ImportFrom):
        for alias in node.names:
            if alias.name in owners.get(node.module, ()):
                yield node.lineno, f"{node.module}.{alias.name}"


def only_clock_py_reads_the_clock(module: Module) -> Iterator[str]:
    """Time is an argument; `clock.py` is where it comes from."""
    if module.path != PurePosixPath("src/haulcast/clock.py"):
        for line, call in _uses(module, CLOCK_CALLS):
            yield f"line {line}: {call} reads the clock; take the time as an argument, or call haulcast.clock"


def nothing_sleeps_on_the_loop(module: Module) -> Iterator[str]:
    """One blocking call stops every socket."""
    for line, _ in _uses(module, {"time": {"sleep"}}):
        yield f"line {line}: time.sleep blocks every socket; await asyncio.sleep"


def geo_has_no_randomness_of_its_own(module: Module) -> Iterator[str]:
    """The same input gives the same output; a Generator is an input."""
    if module.path.parts[0] != "geo":
        return
    for node in module.nodes(ast.Import, ast.ImportFrom):
        names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        if {"random", "secrets", "numpy.random"} & set(names):
            yield f"line {node.lineno}: geo has no randomness of its own; take a numpy.random.Generator as an argument"
    for node in module.nodes(ast.Attribute):
        if isinstance(node.value, ast.Attribute) and node.value.attr == "random" and node.attr != "Generator":
            yield f"line {node.lineno}: numpy.random.{node.attr} is random state of geo's own; take a Generator as an argument"


def product_code_does_not_assert(module: Module) -> Iterator[str]:
    """`assert` is for tests."""
    for node in module.nodes(ast.Assert):
        yield f"line {node.lineno}: python -O drops an assert; raise an error of haulcast.errors"


def only_commands_print(module: Module) -> Iterator[str]:
    """The hub logs; a command talks to a person."""
    if module.path.is_relative_to("src/haulcast/commands") or module.path.name == "__main__.py":
        return
    for node in module.nodes(ast.Call):
        if getattr(node.func, "id", None) == "print":
            yield f"line {node.lineno}: print is for commands; log with structlog"


def names_say_what_is_inside(module: Module) -> Iterator[str]:
    """The folder listing tells the story."""
    if vague := VAGUE_NAMES & {*module.path.parts[1:-1], *module.path.stem.split("_")}:
        yield f"{vague.pop()!r} says nothing; name the one thing that the file is about"


def modules_and_functions_stay_short(module: Module) -> Iterator[str]:
    """A long one does a second thing."""
    lines = len(module.text.splitlines())
    if lines > MODULE_LINES:
        yield f"{lines} lines, allowed are {MODULE_LINES}; look for the second thing it does"
    most = KERNEL_LINES if module.is_kernel else FUNCTION_LINES
    for node in module.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        length = node.end_lineno - node.lineno + 1
        if length > most:
            yield f"line {node.lineno}: {node.name} has {length} lines, allowed are {most}"


def the_step_is_one_visible_list(module: Module) -> Iterator[str]:
    """The heart can be read on one page."""
    lines = len(module.text.splitlines())
    if module.path == PurePosixPath("src/haulcast/tracking/step.py") and lines >= STEP_LINES:
        yield f"{lines} lines; the step is the list of stages, under {STEP_LINES} lines, and a stage is a call"


def every_kernel_has_a_face(module: Module) -> Iterator[str]:
    """Whoever finds one finds the other; what has none is a building block that only kernels call."""
    if module.path.is_relative_to("geo/kernels"):
        return
    for node in module.nodes(ast.ImportFrom):
        stems = [alias.name for alias in node.names] if node.module == "geo.kernels" else []
        stems += (
            [node.module.removeprefix("geo.kernels.")] if str(node.module).startswith("geo.kernels.") else []
        )
        for stem in stems:
            if not (ROOT / "geo" / f"{stem}.py").is_file():
                yield f"line {node.lineno}: geo.kernels.{stem} has no face geo/{stem}.py, so only kernels may call it"


def kernels_compile_in_one_way(module: Module) -> Iterator[str]:
    """Compiled code stands in one place, is cached, gives up the GIL and keeps IEEE arithmetic."""
    if not module.is_kernel:
        for line, name in _uses(module, {"numba": COMPILERS, "nb": COMPILERS}):
            yield f"line {line}: {name} outside geo/kernels; a kernel has a file of its own there"
        return
    for node in module.nodes(ast.FunctionDef):
        for decorator in node.decorator_list:
            options = {k.arg: getattr(k.value, "value", None) for k in getattr(decorator, "keywords", ())}
            if "fastmath" in options or not (options.get("cache") is True and options.get("nogil") is True):
                yield f"line {decorator.lineno}: {node.name} needs @njit(cache=True, nogil=True), and no fastmath"


RULES: dict[Callable[[Module], Iterator[str]], tuple[str, str]] = {
    # each rule with a path and a text that it must catch
    only_clock_py_reads_the_clock: ("geo/track_filter.py", "import datetime\nx = datetime.datetime.now()"),
    nothing_sleeps_on_the_loop: ("src/haulcast/app.py", "import time\ntime.sleep(1)"),
    geo_has_no_randomness_of_its_own: ("geo/cells.py", "import numpy as np\nx = np.random.default_rng(1)"),
    product_code_does_not_assert: ("geo/cells.py", "assert 1"),
    only_commands_print: ("src/haulcast/app.py", "print(1)"),
    names_say_what_is_inside: ("src/haulcast/tracking/step_helpers.py", ""),
    modules_and_functions_stay_short: ("src/haulcast/app.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
    the_step_is_one_visible_list: ("src/haulcast/tracking/step.py", "x = 1\n" * STEP_LINES),
    every_kernel_has_a_face: ("geo/cells.py", "from geo.kernels import cells, faceless"),
    kernels_compile_in_one_way: (
        "geo/kernels/cells.py",
        "from numba import njit\n@njit(cache=True)\ndef f(): ...",
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_product_keeps(rule: Callable[[Module], Iterator[str]]) -> None:
    """No product file breaks the rule."""
    modules = [Module(PurePosixPath(path.relative_to(ROOT)), path.read_text()) for path in PRODUCT]
    broken = [f"{module.path}: {message}" for module in modules for message in rule(module)]
    assert not broken, "\n".join(["", *broken])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_case_is_caught_by(rule: Callable[[Module], Iterator[str]]) -> None:
    """The rule finds what it is there to find, once."""
    path, text = RULES[rule]
    assert len(list(rule(Module(PurePosixPath(path), text)))) == 1


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (only_clock_py_reads_the_clock, "src/haulcast/app.py", "from time import monotonic"),
        (
            only_clock_py_reads_the_clock,
            "src/haulcast/app.py",
            "from datetime import datetime\ndatetime.now()",
        ),
        (geo_has_no_randomness_of_its_own, "geo/cells.py", "import random"),
        (kernels_compile_in_one_way, "geo/cells.py", "from numba import njit"),
        (kernels_compile_in_one_way, "geo/cells.py", "import numba\n@numba.njit\ndef f(): ..."),
        (kernels_compile_in_one_way, "geo/kernels/cells.py", "@njit\ndef f(): ..."),
        (
            kernels_compile_in_one_way,
            "geo/kernels/cells.py",
            "@njit(cache=True, nogil=True, fastmath=True)\ndef f(): ...",
        ),
        (every_kernel_has_a_face, "geo/cells.py", "from geo.kernels.faceless import f"),
        (modules_and_functions_stay_short, "geo/cells.py", "x = 1\n" * (MODULE_LINES + 1)),
        (
            modules_and_functions_stay_short,
            "geo/kernels/cells.py",
            "def f():\n" + "    x = 1\n" * KERNEL_LINES,
        ),
    ],
)
def test_another_case_is_caught(rule: Callable[[Module], Iterator[str]], path: str, text: str) -> None:
    """The same thing written in another way is found too."""
    assert len(list(rule(Module(PurePosixPath(path), text)))) == 1


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (only_clock_py_reads_the_clock, "src/haulcast/clock.py", "import time\ntime.time_ns()"),
        (
            only_clock_py_reads_the_clock,
            "src/haulcast/app.py",
            "fix.time\nbatch.time_ms.now\nfrom haulcast.clock import epoch_ms",
        ),
        (geo_has_no_randomness_of_its_own, "geo/cells.py", "def f(rng: np.random.Generator): rng.random(3)"),
        (only_commands_print, "src/haulcast/commands/watch.py", "print(1)"),
        (every_kernel_has_a_face, "geo/kernels/cells.py", "from geo.kernels.faceless import f"),
        (
            kernels_compile_in_one_way,
            "geo/kernels/cells.py",
            "@njit(cache=True, nogil=True, inline='always')\ndef f(): ...",
        ),
        (
            modules_and_functions_stay_short,
            "geo/kernels/cells.py",
            "def f():\n" + "    x = 1\n" * FUNCTION_LINES,
        ),
    ],
)
def test_what_is_allowed_passes(rule: Callable[[Module], Iterator[str]], path: str, text: str) -> None:
    """A rule leaves alone what only looks like its case."""
    assert not list(rule(Module(PurePosixPath(path), text)))
