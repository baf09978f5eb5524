"""Does each set-up command do what operator.md says, twice, wrongly and with --json?"""

from __future__ import annotations

import json
import stat

import pytest

from tests.support.installation import PASSWORD, Installation


@pytest.fixture
def place(tmp_path):
    """An installation that nobody has touched; commands run as processes."""
    with Installation(tmp_path / "a folder") as made:
        yield made


def test_init_makes_database_and_key_and_may_be_repeated(place):
    """operator.md: init is idempotent and makes the secret key, which only its owner reads."""
    assert place.ask("init") == {"data": str(place.folder / "data")}
    key = place.folder / "data" / "secret.key"
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    place.run("init")
    assert key.read_bytes() == before
    assert (place.folder / "data" / "gateway.db").is_file()


def test_adding_answers_id_name_and_key(place):
    """operator.md: brand, user and integration add answer id and name, key add also the key."""
    made = place
    made.run("init")
    assert made.ask("brand", "add", "--id", "9999", "--name", "Test Brand") == {"id": 9999, "name": "Test Brand"}
    assert made.ask("brand", "add", "--name", "Second") == {"id": 10000, "name": "Second"}
    user = made.ask("user", "add", "--brand", "9999", "--name", "apiuser", "--role", "reader", "--password-stdin",
                    stdin=PASSWORD)
    assert user == {"id": user["id"], "name": "apiuser"} and isinstance(user["id"], int)
    bridge = made.folder / "bridge.json"
    optout = "UPDATE members SET no_mail = 1 WHERE id = :remote_id"
    bridge.write_text(json.dumps({"url": "sqlite:////nowhere/ams.db",
                                  "members": "SELECT id AS remote_id, mail AS email FROM members",
                                  "writeback": {"unsubscribe": optout}}))
    integration = made.ask("integration", "add", "--brand", "9999", "--name", "membership", "--kind", "sql",
                           "--config", bridge)
    assert integration == {"id": integration["id"], "name": "membership"}
    key = made.ask("key", "add", "--brand", "9999", "--integration", "membership", "--scope", "import",
                   "--scope", "report")
    assert key == {"id": key["id"], "name": "membership", "key": key["key"]} and len(key["key"]) >= 43
    said = made.run("key", "add", "--brand", "9999", "--integration", "new-caller").stdout
    assert "shown this once" in said and len(said.split()[-1]) >= 43


REFUSED = [
    (("brand", "add", "--id", "9999", "--name", "Twice"), "", "ALREADY_EXISTS"),
    (("brand", "add", "--name", "Bad network", "--allow-ip", "10.0.0.0/99"), "", "INVALID_VALUE"),
    (("brand", "add", "--id", "0", "--name", "Nought"), "", "INVALID_VALUE"),
    (("user", "add", "--brand", "1", "--name", "u", "--password-stdin"), PASSWORD, "NOT_FOUND"),
    (("user", "add", "--brand", "9999", "--name", "u", "--password-stdin"), "", "INVALID_VALUE"),
    (("user", "add", "--brand", "9999", "--name", "u", "--integration", "none", "--password-stdin"), PASSWORD,
     "NOT_FOUND"),
    (("key", "add", "--brand", "1", "--integration", "api"), "", "NOT_FOUND"),
    (("integration", "add", "--brand", "9999", "--name", "x", "--kind", "carrier-pigeon"), "", "INVALID_VALUE"),
    (("integration", "add", "--brand", "9999", "--name", "x", "--kind", "sql", "--config", "absent.json"), "",
     "FAILED"),
    (("integration", "add", "--brand", "1", "--name", "x", "--kind", "api"), "", "NOT_FOUND"),
    (("integration", "add", "--brand", "9999", "--name", "api", "--kind", "api"), "", "ALREADY_EXISTS"),
    (("sync", "--brand", "9999", "--integration", "none"), "", "NOT_FOUND"),
    (("sync", "--brand", "1", "--integration", "api"), "", "NOT_FOUND"),
    (("import", "--brand", "9999", "absent.csv"), "", "FAILED"),
    (("import", "--brand", "1", "absent.csv"), "", "NOT_FOUND"),
]


def test_a_refusal_exits_1_and_says_what_to_do(branded):
    """operator.md: exit code 1, a sentence on standard error, with --json one object; never a traceback."""
    for arguments, stdin, code in REFUSED:
        left, out, err = branded(*arguments, stdin=stdin)
        assert (left, out) == (1, "") and err.startswith(f"gateway: {code}: "), (arguments, left, out, err)
        left, out, err = branded(*arguments, "--json", stdin=stdin)
        error = json.loads(out)["error"]
        assert left == 1 and error["code"] == code and error["message"] in err, arguments


@pytest.mark.parametrize("arguments", [
    (), ("frobnicate",), ("brand",), ("brand", "add"), ("brand", "add", "--name", "x", "--id", "nine"),
    ("user", "add", "--brand", "9999", "--name", "x"), ("serve", "--workers", "0"), ("serve", "--port", "http"),
    ("serve", "--port", "70000"), ("serve", "--port", "-1"), ("brand", "add", "--id", "1" * 5000, "--name", "x"),
    ("worker", "--concurrency", "none"), ("key", "add", "--brand", "9999", "--integration", "api", "--scope", "all"),
    ("import", "--brand", "9999"), ("wsdl", "extra"),
], ids=" ".join)
def test_misuse_exits_2_with_the_usage(typed, arguments):
    """operator.md: exit code 2 for misuse."""
    code, out, err = typed(*arguments)
    assert (code, out) == (2, "") and "usage: gateway" in err


def test_every_command_has_help(typed):
    """operator.md: every command has --help."""
    for command in (["init"], ["brand", "add"], ["user", "add"], ["key", "add"], ["integration", "add"], ["sync"],
                    ["import"], ["serve"], ["worker"], ["doctor"], ["wsdl"]):
        code, out, _ = typed(*command, "--help")
        assert code == 0 and f"usage: gateway {' '.join(command)}" in out


def test_exit_codes_and_tracebacks_of_a_process(place):
    """operator.md: 1 failed and 2 misused are the codes that a shell sees; an unknown setting is said at start."""
    assert "usage: gateway" in place.run("brand", code=2).stderr
    place.environ["GATEWAY_SMPT_URL"] = "smtp://127.0.0.1:25"
    said = place.run("init", code=1).stderr
    assert said.startswith("gateway: SETTINGS: GATEWAY_SMPT_URL is not a setting.") and "GATEWAY_SMTP_URL" in said


@pytest.mark.parametrize(("name", "value"), [
    ("GATEWAY_PUBLIC_URL", "gateway.example.org"), ("GATEWAY_SMTP_URL", "http://mail.example.org"),
    ("GATEWAY_DATABASE_URL", "mysql://db/gateway"), ("GATEWAY_BROKER_URL", "kafka://127.0.0.1"),
    ("GATEWAY_SECRET_KEY", "short"), ("GATEWAY_TRUSTED_PROXIES", "the proxy"),
    ("GATEWAY_DATABASE_URL", "postgresql://nobody:hidden@127.0.0.1:9/none"), ("GATEWAY_DATA_DIR", "/dev/null/data"),
    ("GATEWAY_PUBLIC_URL", "http://[::1"), ("GATEWAY_PUBLIC_URL", "https://x y.example"),
    ("GATEWAY_PUBLIC_URL", "https://x\r\n.example"), ("GATEWAY_PUBLIC_URL", "https://m\u00fcnchen.example"),
    ("GATEWAY_PUBLIC_URL", "https://x.example/?a=1"), ("GATEWAY_PUBLIC_URL", "https://x.example/<b>"),
    ("GATEWAY_PUBLIC_URL", "https://me:hidden@x.example"), ("GATEWAY_SMTP_URL", "smtp://mail.example.org:99999"),
])
def test_a_bad_setting_is_named_without_its_secret(typed, monkeypatch, name, value):
    """operator.md: a bad value is a clear error at start; passwords stay out of it."""
    monkeypatch.setenv(name, value)
    code, _, err = typed("init")
    assert code == 1 and err.splitlines()[-1].startswith("gateway: "), err
    assert "hidden" not in err


def test_commands_without_init_say_init(typed, monkeypatch):
    """operator.md: says what to do next on error."""
    commands = (("brand", "add", "--name", "x"), ("serve", "--port", "0"), ("worker",), ("doctor",))
    for arguments in commands:
        assert "run `gateway init`" in typed(*arguments)[2]
    monkeypatch.setenv("GATEWAY_SECRET_KEY", "0123456789abcdef0123456789abcdef")
    for arguments in commands:
        code, _, err = typed(*arguments)
        assert code == 1 and "gateway init" in err, (arguments, err)


def test_settings_come_from_a_file_before_or_after_the_command(typed, tmp_path):
    """operator.md: a .env file or --config may carry the settings."""
    (tmp_path / "my.env").write_text("GATEWAY_DATA_DIR=elsewhere\nUNRELATED=1\n")
    assert typed("--config", "my.env", "init")[0] == 0
    assert typed("init", "--config", "my.env")[0] == 0
    assert (tmp_path / "elsewhere" / "gateway.db").is_file() and not (tmp_path / "data").exists()
    (tmp_path / ".env").write_text("GATEWAY_DATA_DIR=from-dot-env\n")
    assert typed("init")[0] == 0
    assert (tmp_path / "from-dot-env" / "gateway.db").is_file()
    assert "there is no file absent.env" in typed("init", "--config", "absent.env")[2]


def test_the_environment_wins_over_the_file(typed, tmp_path, monkeypatch):
    """docs/settings.md: the environment wins."""
    (tmp_path / ".env").write_text("GATEWAY_DATA_DIR=from-dot-env\n")
    monkeypatch.setenv("GATEWAY_DATA_DIR", "from-environment")
    assert typed("init")[0] == 0
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["from-environment"]


def test_wsdl_check_compares(typed):
    """SOAP-2: the frozen files are what the code publishes."""
    code, out, _ = typed("wsdl", "--check", "--json")
    assert (code, json.loads(out)) == (0, {"files": []})
