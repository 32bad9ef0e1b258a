"""What a prober costs, and how late it sends: `python bench/parts/probers.py [SECONDS]`.

Against a server that does as little as it can, in a process of its own. The share of a core is what the prober's
process uses, its start left out: user and system time, so what the kernel does for its connections too.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "k8s-tests"), str(ROOT / "k8s-tests" / "prober")]

from tests.fast_server import fast_server  # noqa: E402
from tests.probing import cost  # noqa: E402
from traffic import KINDS  # noqa: E402

RATES = (50, 250, 500, 1000)
SECONDS = 6.0


def main() -> None:
    """Print a table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    print("| kind | requests/s | share of a core | late p99, most | latency p50, p99 | failed | bytes a record |")
    print("|---" * 7 + "|")
    with fast_server() as port, tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for rate in RATES:
                run = cost(port, Path(folder) / f"{kind}-{rate}", kind, rate, seconds)
                figures = run.figures
                print(
                    f"| {kind} | {rate} | {run.share:.0%} | {run.lateness_p99_ms:.1f} ms, "
                    f"{figures.max_lateness_s * 1000:.0f} ms | {figures.p50_ms} ms, {figures.p99_ms} ms "
                    f"| {figures.failed} | {run.record_bytes:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
