"""Run a check on a learner's answer: what an exercise is made of, where the answer runs, and the
words for what came of it. It knows no exercise; those are in `course.exercises`.
"""
