"""What do the messages of the contract look like? One file a noun, all in one namespace (SOAP-5, SOAP-6)."""
