"""The guide's words: each face with its question, each row with its cause and its cure.

One file for each stage of a call. A row's failure is made by a cell of lesson 12, under the row's
key, or read from the stored output of the notebook that makes it (`rows.Read`): whoever adds a row
here is told by lesson 12 what is missing. `diagnose` takes the first face that fits.
"""

from course.guide.faces import answering, before, connecting, http2, loops, pool
from course.guide.rows import Face, Row

FACES: tuple[Face, ...] = (
    *connecting.FACES,
    *pool.FACES,
    *answering.FACES,
    *http2.FACES,
    *loops.FACES,
    *before.FACES,
)
ROWS: tuple[Row, ...] = tuple(row for face in FACES for row in face.rows)
