"""The typed SOAP API v1 at ``/soap/v1``: one module of operations a noun over the same services as PUSH."""
