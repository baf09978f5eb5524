"""How do we speak to a foreign system (an AMS)? One port, one folder per kind of system."""
