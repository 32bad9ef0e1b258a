"""Runs the prober as the cluster does, in a process of its own, against a server of this machine."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.measuring.records import Figures, parse, percentile
from prober import Record

ROOT = Path(__file__).resolve().parents[1]
PROBER = ROOT / "k8s-tests" / "prober"
# For a prober that would never end. None of the runs here takes a tenth of it.
LONGEST_SECONDS = 60


def command(program: Path, port: int, folder: Path, kind: str, rate: float, options: Sequence[str]) -> list[str]:
    """The command line of a prober whose files are in the folder `program`, its results going to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        sys.executable, str(program / "prober.py"), "--url", f"http://127.0.0.1:{port}", "--kind", kind,
        "--rate", str(rate), "--results", str(folder), "--exit", *options,
    ]  # fmt: skip


def records_in(folder: Path) -> list[Record]:
    """The records of a prober that is done. Raises InvalidRun if they are not complete."""
    return parse((folder / "records.jsonl").read_text(), int((folder / "done").read_text()))


def probe(
    port: int,
    folder: Path,
    *,
    count: int,
    kind: str = "new",
    rate: float = 100.0,
    options: Sequence[str] = (),
    program: Path = PROBER,
) -> list[Record]:
    """Send `count` requests at `rate` and return their records."""
    # Half a request more: the product of count / rate and the rate may fall short of a whole number.
    options = ["--max-seconds", str((count + 0.5) / rate), *options]
    subprocess.run(
        command(program, port, folder, kind, rate, options),
        check=True,
        timeout=LONGEST_SECONDS,
        stdout=subprocess.DEVNULL,
    )
    return records_in(folder)


@contextmanager
def probing(
    port: int,
    folder: Path,
    *,
    kind: str = "new",
    rate: float = 100.0,
    options: Sequence[str] = (),
    program: Path = PROBER,
) -> Iterator[subprocess.Popen[bytes]]:
    """A prober that sends while the `with` block runs, is told to stop then, and has ended afterwards."""
    with subprocess.Popen(command(program, port, folder, kind, rate, options)) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        (folder / "stop").touch()
        assert process.wait(LONGEST_SECONDS) == 0


@dataclass(frozen=True)
class Cost:
    """What a run cost. `share` is of one core; `lateness_p99_ms` of what was sent; `record_bytes` of one record."""

    figures: Figures
    share: float
    lateness_p99_ms: float
    record_bytes: float


def cost(port: int, folder: Path, kind: str, rate: float, seconds: float) -> Cost:
    """Run a prober against the server at `port` and measure the CPU time that it uses, its start left out."""
    start = _processor_seconds(port, folder / "start", kind, 1, 1)
    used = _processor_seconds(port, folder / "run", kind, rate, round(rate * seconds))
    records = records_in(folder / "run")
    lateness = sorted((record.sent - record.scheduled) * 1000 for record in records)
    size = (folder / "run" / "records.jsonl").stat().st_size
    return Cost(
        Figures.of(kind, records), max(0.0, used - start) / seconds, percentile(lateness, 0.99), size / len(records)
    )


def _processor_seconds(port: int, folder: Path, kind: str, rate: float, count: int) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    probe(port, folder, kind=kind, rate=rate, count=count)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def errors(records: list[Record]) -> dict[int, str]:
    """The failed requests, and the class of error of each."""
    return {record.number: record.error for record in records if record.error}


def ok(_: int) -> str:
    """Nothing is wrong."""
    return "ok"


def mutate(program: Path, file: str, text: str, replacement: str) -> None:
    """Replace `text`, which must be there once, in a file of the prober."""
    source = (program / file).read_text()
    assert source.count(text) == 1, f"the mutation no longer matches {file}: adapt it"
    (program / file).write_text(source.replace(text, replacement))


def copy(folder: Path, program: Path = PROBER) -> Path:
    """A copy of the prober's files."""
    copied = folder / "program"
    copied.mkdir(parents=True)
    for file in program.glob("*.py"):
        (copied / file.name).write_bytes(file.read_bytes())
    return copied
