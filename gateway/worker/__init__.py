"""The background work: which engine carries it, what it does, and when it is rung without being asked."""
