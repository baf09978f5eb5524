"""The bridge to a system with a SOAP service of its own."""
