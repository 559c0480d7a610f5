"""Many workers on one study: a simulated chain, and everything else real.

`chain` is what trains: it sleeps, and keeps its stages in the real stage cache. `worker` is one
process of it, `study` starts many, disturbs them and says what came of it.
"""
