"""Speed of lowrank_la against peers and against floors of the machine.

``python -m benchmarks run`` measures, ``python -m benchmarks report`` writes the page
``docs/performance.md`` from the numbers, ``python -m benchmarks list`` shows all cases.

* a case is one line in `cases.py`;
* a peer is one function in `peers.py`, a floor one function in `floors.py`;
* a workload (an operation of the package, with its inputs) is one class in `workloads.py`.
"""
