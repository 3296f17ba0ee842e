"""What nbval's kernels inherit when a notebook is tested alone: `pytest notebooks/00-….ipynb`."""

import os

os.environ["WORKBENCH_PROGRESS"] = "0"  # a bar is drawn by the clock, so it never compares equal
