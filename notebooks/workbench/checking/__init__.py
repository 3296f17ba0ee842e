"""Run a check on a learner's answer and say what came of it. It knows no exercise; those are in
`course.exercises`, which calls `run.run_check`.

record: what an exercise is made of, and what its check has at hand.
run: what can be said without running the answer; process, pack and child: the process it runs in.
here: the run itself; witness: what the answer did besides; blame and words: how it is told.
proof: that an exercise holds in both directions. progress: tries, hints and when solutions open.
"""
