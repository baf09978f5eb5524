"""What an ActionRequest may ask for (aapi.md section 5): one module a noun, the list of them in ``registry``."""
