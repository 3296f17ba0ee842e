"""The judge: replays its schedule against a service's file and says what came of it."""

from pathlib import Path

from course.capstone.help import note_try
from course.capstone.lines import lines_of
from course.capstone.loading import Unusable
from course.capstone.replay import replay
from course.capstone.report import Judgement
from course.capstone.schedule import make_schedule
from course.capstone.working_copy import ORIGINAL, is_untouched

SEED = 11


async def judge(path: str | Path, seed: int = SEED) -> Judgement:
    """Start the service in a file, put the schedule of a seed to it, and return the judgement.

    The same seed is the same schedule: load, then faults, a pause, misses, shutdown. It takes 3 to
    6 s, and some 15 s for a service that answers nothing. A file that cannot be started is judged,
    too: its `outcome` is "error", and its title names the line. An untouched copy of the original
    is not run: its `outcome` is "not attempted".
    """
    path = Path(path).resolve()
    if is_untouched(path):
        words = "it is still as it was given. Edit it, save it, and run this cell again."
        return Judgement(f"{path.name}: not attempted, {words}", outcome="not attempted")
    judgement = await _judge(path, seed)
    if path != ORIGINAL.resolve():
        note_try(judgement)
    return judgement


async def _judge(path: Path, seed: int) -> Judgement:
    try:
        observed = await replay(path, make_schedule(seed))
    except Unusable as problem:
        return Judgement(str(problem), outcome="error")
    lines = lines_of(observed)
    bad = sum(not line.ok for line in lines)
    words = f"{bad} of {len(lines)} lines are not as allowed" if bad else "it keeps its promises"
    return Judgement(f"{path.name}: {words}", lines)
