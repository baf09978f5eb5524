"""Gateway: a self-hosted SOAP and PUSH integration gateway for e-mail marketing."""

__version__ = "0.1.0"
