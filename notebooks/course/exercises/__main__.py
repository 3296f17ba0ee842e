"""Prove every exercise in both directions: python -m course.exercises [ID ...]

A row per exercise: its starter is not attempted, every wrong answer is rejected with words of its
own, its solution and its other right answers are correct. Exits with 1 if any row falls short.
"""

import argparse
import sys

from course.exercises import ids
from course.exercises.proving import examine_all


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course.exercises", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("id", nargs="*", help="such as 02-1; by default all")
    chosen = parser.parse_args().id or ids()
    if unknown := sorted(set(chosen) - set(ids())):
        parser.error(f"no exercise {', '.join(unknown)}; there are: {', '.join(ids())}")
    print("exercise  starter        wrong answers      solution       others  hints")
    short = 0
    for row in examine_all(chosen):
        answers = f"{row.rejected} of {row.wrong} rejected"
        print(
            f"{row.id:8}  {row.starter:13}  {answers:17}  {row.solution:13}  "
            f"{row.accepted} of {row.right}  {row.hints}",
            flush=True,
        )
        for problem in row.problems:
            print(f"          FALLS SHORT: {problem}", flush=True)
        short += bool(row.problems)
    print(f"{len(chosen) - short} of {len(chosen)} exercises hold")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
