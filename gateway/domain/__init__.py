"""What do the nouns of the gateway mean? Pure rules over frozen dataclasses: no database, no network, no clock."""
