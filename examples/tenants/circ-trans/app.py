"""circ-trans: loans and returns of the library system, into the lake.

The system itself is a file here, sierra.csv. The SDK is the folder sdk/python/tessera_lifecycle of
the repository: put it beside this file, or install it.
"""

import csv
import os
from pathlib import Path

from tessera_lifecycle import Done, Failure, LifecycleApp

SOURCE = Path("sierra.csv")


def run(context):
    if not SOURCE.exists():
        raise Failure(7, f"{SOURCE} is not there: the library system did not export")
    with SOURCE.open(newline="") as source:
        rows = list(csv.DictReader(source))
    window = " ".join(context.arguments) or "the last day"
    if context.is_dry_run:
        print(f"would bring {len(rows)} rows of {window}")
        return Done(rows=0)
    write(rows, Path(os.environ["LAKE"]) / f"{context.manifest.schema}.csv")
    print(f"brought {len(rows)} rows of {window}")
    return Done(rows=len(rows))


def write(rows, target):
    """Replaces the dataset as a whole: a reader sees the old one or the new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    with unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["item_id", "action", "at"])
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(target)


if __name__ == "__main__":
    LifecycleApp(run=run).main()
