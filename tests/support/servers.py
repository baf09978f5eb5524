"""As whom does a test's own server run, where its program refuses to run as root?"""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def identity_for(home: Path, own: str, missing: Exception) -> dict[str, object]:
    """Arguments of ``subprocess`` for a server whose files are in ``home``, which is given to that user: nothing unless
    the tests run as root; else the user ``own``, or nobody. Raises ``missing`` where there is neither."""
    if os.getuid() != 0:
        return {}
    for name in (own, "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(home, user.pw_uid, user.pw_gid)
        os.chmod(home, 0o755)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise missing
