"""The commands, and how points are chosen: sampler, pruner, offers, workers."""
