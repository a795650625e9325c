"""Kill a search on SQLite at random moments and compare what it finds with an uninterrupted one.

Run as ``python tests/measured/kill.py --kills 50``. A search of 40 evaluations does not last for
50 kills, so several searches are killed, up to 8 times each, until there were enough.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from search_worker import killed_and_resumed


def main() -> None:
    """Print how many kills there were; raise where something was lost or evaluated twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    start, done, searches = time.monotonic(), 0, 0
    while done < given.kills:
        kills = min(8, given.kills - done)
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/runs.db"
            killed_and_resumed(url, Path(folder), kills=kills, seed=given.seed + searches)
        done, searches = done + kills, searches + 1
        print(f"{done} kills of {searches} searches: nothing lost, nothing told twice", flush=True)
    print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
