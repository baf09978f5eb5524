"""How is everything saved in one file, and brought back? backup, restore."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway import app
from gateway.cli.common import Commands, say


def declare(commands: Commands) -> None:
    """Declares ``gateway backup`` and ``gateway restore``."""
    made = commands.add("backup", _backup, "Write everything to one file, while the gateway runs, and restore it on "
                                           "trial.")
    made.add_argument("file", type=Path, metavar="FILE")
    made.add_argument("--with-key", action="store_true", help="put the secret key in, too: whoever has the file then "
                                                              "has everything")
    made = commands.add("restore", _restore, "Bring a backup back; what may have been mailed since is held.")
    made.add_argument("file", type=Path, metavar="FILE")
    made.add_argument("--force", action="store_true", help="in the place of what is in the database now")


def _backup(args: argparse.Namespace) -> int:
    manifest = app.make_backup(args.config, args.file.absolute(), with_key=args.with_key)
    key = ("The secret key is in it: keep it safe." if args.with_key else
           "The secret key is not in it: keep secret.key apart, for without it the backup is of no use.")
    return say(args, {"file": str(args.file), "revision": manifest.revision, "rows": manifest.rows,
                      "tables": {table.name: table.rows for table in manifest.tables}, "withKey": args.with_key},
               f"{manifest.rows} rows of {len(manifest.tables)} tables are in {args.file} and came back on trial. "
               f"{key}")


def _restore(args: argparse.Namespace) -> int:
    done = app.restore_backup(args.config, args.file.absolute(), force=args.force)
    return say(args, {"madeAt": done.manifest.made_at, "rows": done.manifest.rows, "paused": done.paused,
                      "inDoubt": done.in_doubt, "told": done.told},
               f"Restored as of {done.manifest.made_at}: {done.manifest.rows} rows. {done.paused} mailing instances "
               f"are paused (reason restored), {done.in_doubt} deliveries in doubt; journals on this host tell of "
               f"{done.told}. Look at them before you resume: what was mailed since the backup is not known.")
