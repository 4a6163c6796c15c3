"""Make ``harness/run/restricted.sha256`` from the authors' zip of GPQA: hashes, never a question.

    python bench/restricted_hashes.py gpqa_dataset.zip

Hashes that are there already stay, so that a zip with fewer subsets takes none away.
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.errors import HarnessError
from harness.run.restricted import HASHES, hashes_of
from tasks._gpqa import unzip

SUBSETS = ("diamond", "main", "extended", "experts")


def main() -> None:
    content = Path(sys.argv[1]).read_bytes()
    found = set(HASHES.read_text(encoding="ascii").split()) if HASHES.is_file() else set()
    for subset in SUBSETS:
        try:
            rows = list(unzip(subset, content))
        except HarnessError:
            print(f"{subset}: not in this zip")
            continue
        for row in rows:
            found.update(hashes_of(row["Question"]))
        print(f"{subset}: {len(rows)} questions")
    HASHES.write_text("".join(f"{each}\n" for each in sorted(found)), encoding="ascii")
    print(f"{len(found)} hashes in {HASHES}")


if __name__ == "__main__":
    main()
