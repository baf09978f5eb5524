"""The bridge to a system whose database we may read and write."""
