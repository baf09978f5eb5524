"""The bridge to a system with a REST interface that speaks JSON."""
