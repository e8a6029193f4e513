"""`python -m fuzz [--seconds 60] [decoder ...]`: atheris on each decoder, one after the other, each in its own process.

What is found is kept under `tests/fuzz/found/<decoder>/`, where the tests read it from then on; what leads further is kept in `--corpus`.
Atheris is libFuzzer for Python: it looks at which lines an input reaches. It needs Linux on x86-64 (its wheels).
"""

import argparse
import contextlib
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
LONGEST_INPUT_S = 20
FOUND = REPOSITORY / "tests" / "fuzz" / "found"
MOST_MIB = 3_072
LONGEST_INPUT_BYTES = 65_536
KERNELS = [
    f"geo.kernels.{file.stem}" for file in (REPOSITORY / "geo" / "kernels").glob("*.py")
]  # numba cannot compile what atheris has put its marks into


def main() -> int:
    """Fuzz what the command line names; the exit status is the number of decoders with a finding."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("decoders", nargs="*", metavar="decoder", help="usually all")
    parser.add_argument("--seconds", type=int, default=60, help="for each decoder [%(default)s]")
    parser.add_argument("--corpus", type=Path, help="folder of what earlier runs found worth keeping")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # this process is one decoder's
    asked = parser.parse_args()
    corpus = (asked.corpus or Path(tempfile.mkdtemp(prefix="haulcast-fuzz-"))).absolute()
    if asked.one:
        _fuzz(asked.one, asked.seconds, corpus)
    from fuzz.decoders import DECODERS  # noqa: PLC0415 - not before atheris marks them, above

    if strange := set(asked.decoders) - DECODERS.keys():
        parser.error(f"no decoder {', '.join(sorted(strange))}; there are {', '.join(DECODERS)}")
    return sum(not _run(name, asked.seconds, corpus) for name in asked.decoders or DECODERS)


def _run(name: str, seconds: int, corpus: Path) -> bool:
    """Whether a process of its own found nothing in this decoder; says what it did."""
    command = [
        sys.executable,
        "-m",
        "fuzz",
        "--one",
        name,
        "--seconds",
        str(seconds),
        "--corpus",
        str(corpus),
    ]
    ended = subprocess.run(command, check=False, cwd=REPOSITORY, capture_output=True, text=True)
    with contextlib.suppress(OSError):  # it holds something
        (FOUND / name).rmdir()
    told = _finding(ended) if ended.returncode else _summary(ended.stderr)
    print(f"{name:14} {told}", flush=True)
    return not ended.returncode


def _fuzz(name: str, seconds: int, corpus: Path) -> None:
    """Fuzz one decoder; ends the process."""
    import atheris  # type: ignore[import-untyped]  # noqa: PLC0415 - its wheels are not for every machine

    with atheris.instrument_imports(include=["haulcast", "geo"], exclude=KERNELS):
        from fuzz.decoders import DECODERS  # noqa: PLC0415
    from fuzz.mutations import changed_bytes, mutated  # noqa: PLC0415
    from fuzz.seeds import seeds  # noqa: PLC0415

    decoder = DECODERS[name]
    folder = corpus / name
    folder.mkdir(parents=True, exist_ok=True)
    for place, seed in enumerate(seeds()[name]):
        (folder / f"seed-{place}").write_bytes(seed)
        decoder.try_on(seed)  # before the clock of an input runs: kernels are compiled
    kept = FOUND / name
    kept.mkdir(parents=True, exist_ok=True)

    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        # not atheris.Mutate for some of them: called from here it writes over the heap now and then, also when nothing is decoded
        chance = random.Random(seed)
        return (changed_bytes if chance.random() < 0.3 else mutated)(data, chance)[:most_bytes]

    def one(data: bytes) -> None:
        decoder.try_on(data)

    options = [
        f"-max_total_time={seconds}", f"-timeout={LONGEST_INPUT_S}", f"-report_slow_units={LONGEST_INPUT_S}", f"-rss_limit_mb={MOST_MIB}", "-print_final_stats=1",
        f"-max_len={LONGEST_INPUT_BYTES}", f"-artifact_prefix={kept}/", str(folder),
    ]  # fmt: skip
    more = {"custom_mutator": mutate} if decoder.is_json else {}
    atheris.Setup([sys.argv[0], *options], one, **more)
    atheris.Fuzz()


def _summary(log: str) -> str:
    figures = dict(re.findall(r"^stat::(\w+): +(\d+)$", log, re.MULTILINE))
    places = re.findall(r" cov: (\d+) ", log)
    return (
        f"{figures['number_of_executed_units']:>9} inputs, {places[-1]:>4} places reached, "
        f"longest {figures['slowest_unit_time_sec']} s, {figures['peak_rss_mb']} MiB"
    )


def _finding(ended: subprocess.CompletedProcess[str]) -> str:
    kept = re.findall(r"Test unit written to (.*)", ended.stderr)
    trouble = re.findall(r"ERROR: libFuzzer: .*", ended.stderr)
    told = ended.stdout.strip() or "\n".join(trouble) or ended.stderr[-3_000:]
    return f"FOUND, kept as {kept[-1] if kept else 'nothing'}\n{told}"


if __name__ == "__main__":
    sys.exit(main())
