"""From plain arrays to the answer: this library against packages, to the same true error.

* a case is one line in `cases.py`, the law of its data one function in `generators.py`;
* a package is one file in `packages/`: importing it registers its contenders, so that a new one
  is a new file and no edited one;
* our own contenders are the names of solvers in the line of the case.

Each contender runs in a process of its own (`worker.py`), after a small problem of the same kind
that pays for imports and compilation. An answer counts only if its relative error over the whole
matrix, measured with the clock stopped, is at most `tasks.TARGET`.
"""
