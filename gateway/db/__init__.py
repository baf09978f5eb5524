"""The database: tables, all SQL, migrations, and the unit of work."""
