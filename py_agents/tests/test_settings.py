"""Finding the broker: arguments, environment and the CLI's contexts, in the order in which `hms` reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hms_a2a import BadSetting
from hms_a2a._settings import DEFAULT_URL, Settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder with two contexts, `test` being selected."""
    contexts = tmp_path / "nats" / "context"
    contexts.mkdir(parents=True)
    (contexts / "prod.json").write_text(
        '{"description":"x","url":"nats://prod:4222","creds":"~/c.creds","user":"","color_scheme":"","nsc":""}'
    )
    (contexts / "test.json").write_text('{"url":"nats://a:4222, nats://b:4222","user":"ann","password":"pw"}')
    (contexts / "broken.json").write_text("{")
    (tmp_path / "nats" / "context.txt").write_text("test\n")
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "context", "env", "servers", "login"),
    [
        (None, None, {}, ("nats://a:4222", "nats://b:4222"), ("ann", None)),
        (None, "prod", {"NATS_URL": "nats://env:1"}, ("nats://prod:4222",), (None, Path("/home/ann/c.creds"))),
        (None, None, {"NATS_CONTEXT": "prod"}, ("nats://prod:4222",), (None, Path("/home/ann/c.creds"))),
        (None, None, {"NATS_URL": "nats://env:1"}, ("nats://env:1",), (None, None)),
        (None, None, {"NATS_URL": "", "NATS_CONTEXT": ""}, ("nats://a:4222", "nats://b:4222"), ("ann", None)),
        ("nats://x:1,nats://y:2", None, {"NATS_URL": "nats://env:1"}, ("nats://x:1", "nats://y:2"), (None, None)),
        (["nats://x:1"], None, {"NATS_CREDS": "/e.creds"}, ("nats://x:1",), (None, Path("/e.creds"))),
        (None, None, {"NATS_USER": "bob", "NATS_PASSWORD": "x"}, ("nats://a:4222", "nats://b:4222"), ("bob", None)),
        (None, "prod", {"NATS_USER": "bob", "NATS_PASSWORD": "x"}, ("nats://prod:4222",), ("bob", None)),
    ],
)
def test_the_order(
    config: Path,
    asked: str | list[str] | None,
    context: str | None,
    env: dict[str, str],
    servers: tuple[str, ...],
    login: tuple[str | None, Path | None],
) -> None:
    found = Settings.discover(asked, context, {"XDG_CONFIG_HOME": str(config), "HOME": "/home/ann"} | env)
    assert found.servers == servers
    assert (found.user, found.creds) == login


def test_without_anything_it_is_the_local_broker(tmp_path: Path) -> None:
    assert Settings.discover(environ={"HOME": str(tmp_path)}) == Settings(servers=(DEFAULT_URL,))


def test_a_user_without_a_password_is_a_token_and_files_come_from_the_environment(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "NATS_USER": "secret", "NATS_CA": "/ca.pem"}
    found = Settings.discover(environ=env)
    assert (found.token, found.user, found.ca) == ("secret", None, Path("/ca.pem"))
    assert found.login() == {"token": "secret"}
    env = {"HOME": str(tmp_path), "NATS_NKEY": "/n.nk"}
    assert Settings.discover(environ=env).nkey == Path("/n.nk")


@pytest.mark.parametrize("name", ["none", "broken", "../prod", "a/b"])
def test_a_context_that_cannot_be_used_is_named(config: Path, name: str) -> None:
    with pytest.raises(BadSetting, match=name.replace(".", r"\.")):
        Settings.discover(context=name, environ={"XDG_CONFIG_HOME": str(config)})


def test_credentials_are_not_shown() -> None:
    shown = Settings(servers=("nats://u:p@host:4222", "tls://host", "token@other:4222")).shown()
    assert shown == "nats://host:4222,tls://host,other:4222"


def test_tls_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    assert Settings().tls() is None
    assert Settings(tls_first=True).tls() is not None
    with pytest.raises(BadSetting, match="TLS"):
        Settings(ca=tmp_path / "none.pem").tls()
