"""How long it *did* take: timed stages, memory peaks, operator tables, environment records."""
