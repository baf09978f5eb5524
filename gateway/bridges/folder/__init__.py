"""The bridge to a system that puts CSV exports into a folder and reads files from another."""
