"""How do bytes become records? One streaming reader a format, in flat memory."""
