"""How fast tables open and answer, beside what their packages offer; run it as a script.

    python tests/measured/tables.py

The peer for opening is reading the package's own file with the standard library's way (here the
allow-list unpickler, which builds the same objects); the peer for looking up is a dictionary from
tuples to values, which is what that file holds.
"""

import subprocess
import sys
import time

from nasurge.data.tables.catalogue import SHIPPED, load_table
from nasurge.data.tables.files import read_table

REPEATS = 20
MEMORY = """
import sys
from pathlib import Path
import psutil
from nasurge.data.tables.files import read_table
before = psutil.Process().memory_info().rss
table = read_table(Path(sys.argv[1]))
print((psutil.Process().memory_info().rss - before) / 2**20)
"""


def best(call) -> float:
    """Seconds of the fastest of several calls: what the code costs, not what the machine did."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    for name in SHIPPED:
        table = load_table(name)
        start = time.perf_counter()
        SHIPPED[name].read(name)
        package = time.perf_counter() - start
        opened = best(lambda path=table.path: read_table(path))
        memory = subprocess.run(
            [sys.executable, "-c", MEMORY, str(table.path)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        print(
            f"{name}: open {opened * 1e3:.1f} ms and {float(memory):.1f} MB; the package's file "
            f"{package * 1e3:.0f} ms, {package / opened:.0f} times as long"
        )
    table = load_table("nb201-analog")
    y = table.values(task="cifar10", metric="baseline_accuracy")
    found = dict(zip(map(tuple, table.codes.tolist()), y.tolist(), strict=True))
    query = {"task": "cifar10", "metric": "baseline_accuracy"}
    ours = best(lambda: table.lookup(table.codes, **query))
    theirs = best(lambda: [found[row] for row in map(tuple, table.codes.tolist())])
    print(
        f"look up {len(y):,} codes: {ours * 1e3:.2f} ms; a dictionary {theirs * 1e3:.1f} ms, "
        f"{theirs / ours:.0f} times as long"
    )


if __name__ == "__main__":
    main()
