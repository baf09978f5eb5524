"""Whole journeys through real processes and sockets."""
