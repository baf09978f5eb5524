"""All SQL, one module a noun: functions take a connection and values and return dataclasses."""
