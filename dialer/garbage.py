"""The collector of cyclic garbage, told what a process of ours is like."""

import gc

YOUNG_MAX = 100_000
"""New containers after which it looks again: a page of rows makes as many, and not one cycle."""


def settle() -> None:
    """What is loaded by now stays to the end: it is looked through no more. Called once, where work begins.

    By Python's own thresholds the collector took a third of an import's and of a planning's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 20, 20)
