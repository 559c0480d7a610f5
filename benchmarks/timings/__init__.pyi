from .made_up import ground_of as ground_of
