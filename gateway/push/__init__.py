"""The native PUSH API, /push/v1: JSON over HTTP for systems that send data."""
