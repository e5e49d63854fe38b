"""One topic per module: ``derive()`` gives its derivation, ``verify()`` what was checked."""

TOPICS = ("eq9", "speedup", "crossover", "fastv", "exact", "break-even", "decode")
"""Names of the derivations, in the order in which they are best read."""
