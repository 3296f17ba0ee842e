"""The judge: replays its schedule against a service's file and says what came of it."""

from pathlib import Path

from course.capstone.help import NAME, progress
from course.capstone.judgement import Judgement
from course.capstone.lines import lines_of
from course.capstone.loading import Unusable
from course.capstone.replay import replay
from course.capstone.schedule import make_schedule
from course.capstone.working_copy import ORIGINAL, is_untouched
from workbench import diary

SEED = 11
REPLAYS = 3  # at most, where the machine stalled
STALL = 0.25  # seconds for which the judge itself did not get to run: times mean nothing then


async def judge(path: str | Path, seed: int = SEED) -> Judgement:
    """Start the service in a file, put the schedule of a seed to it, and return the judgement.

    The same seed is the same schedule: load, faults, slow answers, a pause, misses, a shutdown and
    a second start. It takes 4 to 8 s, and up to 20 s for a service that answers nothing. A file
    that cannot be started is judged, too: its `outcome` is "error", and its title names the line.
    An untouched copy of the original is not run: its `outcome` is "not attempted".
    """
    path = Path(path).resolve()
    if is_untouched(path):
        words = "it is still as it was given. Edit it, save it, and run this cell again."
        return Judgement(f"{path.name}: not attempted, {words}", outcome="not attempted")
    print(f"The judge starts {path.name} and replays its schedule. That takes some seconds.")
    judgement = await _judge(path, seed)
    if path != ORIGINAL.resolve():
        progress.note(judgement.outcome)
        diary.note(exercise=NAME, outcome=judgement.outcome)
    return judgement


async def _judge(path: Path, seed: int) -> Judgement:
    for _ in range(REPLAYS):
        try:
            observed = await replay(path, make_schedule(seed))
        except Unusable as problem:
            return Judgement(str(problem), outcome="error")
        lines = lines_of(observed)
        bad = [line for line in lines if not line.ok]
        if observed.stalled <= STALL or not any(line.by_stall for line in bad):
            break
    words = f"{len(bad)} of {len(lines)} lines are not as allowed"
    words = words if bad else "it keeps its promises"
    return Judgement(f"{path.name}: {words}", lines)
