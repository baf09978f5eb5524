"""The webhook: writebacks are posted, signed, to a system that has no bridge."""
