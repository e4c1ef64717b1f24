"""Where the broker is, and who we are to it.

People keep their servers and credentials in contexts of the ``nats`` CLI, containers in the environment. Both are read,
in the same order as ``hms`` reads them: what was asked for by name; ``NATS_URL``; the context that ``NATS_CONTEXT``
names; the one that ``nats context select`` chose; at last the local broker. A URL that was asked for never takes
credentials from a context: they belong to another server. Credentials in the environment win over a context's.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from hms_a2a._errors import BadSetting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_URL = "nats://127.0.0.1:4222"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How to connect."""

    servers: tuple[str, ...] = (DEFAULT_URL,)
    creds: Path | None = None
    nkey: Path | None = None
    user: str | None = None
    password: str | None = None
    token: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    tls_first: bool = False
    inbox_prefix: str | None = None

    @classmethod
    def discover(
        cls,
        servers: str | Sequence[str] | None = None,
        context: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """What the arguments, the environment and the CLI's contexts say, in this order.

        Raises `BadSetting` for a context that does not exist or cannot be read.
        """
        env = {k: v for k, v in (os.environ if environ is None else environ).items() if v}
        asked = servers or (None if context else env.get("NATS_URL"))
        chosen = context
        if not asked and not context:
            chosen = env.get("NATS_CONTEXT") or _selected(env)
        found = _of_context(chosen, env) if chosen else cls()
        if asked:
            urls = asked.split(",") if isinstance(asked, str) else asked
            found = msgspec.structs.replace(found, servers=tuple(url.strip() for url in urls if url.strip()))
        return _with_environment(found, env)

    def shown(self) -> str:
        """The servers as a log may show them: without the credentials that may stand in a URL."""
        return ",".join(_without_login(url) for url in self.servers)

    def tls(self) -> ssl.SSLContext | None:
        """The TLS settings; None where there are none and the server decides.

        Raises `BadSetting` for files that cannot be used.
        """
        if not (self.ca or self.cert or self.tls_first):
            return None
        try:
            tls = ssl.create_default_context(cafile=self.ca)
            if self.cert:
                tls.load_cert_chain(self.cert, self.key)
        except OSError as error:
            raise BadSetting(f"TLS files cannot be used: {error}") from error
        return tls

    def login(self) -> dict[str, Any]:
        """Who we are, as nats-py's ``connect`` names it.

        Raises `BadSetting` for a file that does not exist.
        """
        for path in (self.creds, self.nkey):
            if path is not None and not path.is_file():
                raise BadSetting(f"no credentials file {path}")
        if self.creds:
            return {"user_credentials": str(self.creds)}
        if self.nkey:
            return {"nkeys_seed": str(self.nkey)}
        if self.user is not None:
            return {"user": self.user, "password": self.password or ""}
        return {"token": self.token} if self.token else {}


class _Context(msgspec.Struct):
    """A context file of the CLI; fields that concern only the CLI are left out."""

    url: str = ""
    token: str = ""
    user: str = ""
    password: str = ""
    creds: str = ""
    nkey: str = ""
    cert: str = ""
    key: str = ""
    ca: str = ""
    tls_first: bool = False
    inbox_prefix: str = ""


def _folder(env: Mapping[str, str]) -> Path:
    config = env.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path(env.get("HOME", "~")).expanduser() / ".config") / "nats"


def _selected(env: Mapping[str, str]) -> str | None:
    try:
        return (_folder(env) / "context.txt").read_text().strip() or None
    except OSError:
        return None


def _of_context(name: str, env: Mapping[str, str]) -> Settings:
    if "/" in name or "\\" in name or ".." in name:
        raise BadSetting(f"NATS context {name!r}: not a name")
    file = _folder(env) / "context" / f"{name}.json"
    try:
        said = msgspec.json.decode(file.read_bytes(), type=_Context)
    except (OSError, msgspec.MsgspecError) as error:
        raise BadSetting(f"NATS context {name!r}: {file}: {error}") from error

    def path(text: str) -> Path | None:
        if text.startswith("~/"):
            return Path(env.get("HOME", "~")).expanduser() / text[2:]
        return Path(text) if text else None

    servers = tuple(url.strip() for url in said.url.split(",") if url.strip())
    by_file = bool(said.creds or said.nkey)
    return Settings(
        servers=servers or (DEFAULT_URL,),
        creds=path(said.creds),
        nkey=None if said.creds else path(said.nkey),
        user=None if by_file else said.user or None,
        password=None if by_file else said.password or None,
        token=None if by_file or said.user else said.token or None,
        ca=path(said.ca),
        cert=path(said.cert),
        key=path(said.key),
        tls_first=said.tls_first,
        inbox_prefix=said.inbox_prefix or None,
    )


def _with_environment(found: Settings, env: Mapping[str, str]) -> Settings:
    said: dict[str, Any] = {}
    if "NATS_CREDS" in env:
        said["creds"] = Path(env["NATS_CREDS"])
    elif "NATS_NKEY" in env:
        said["nkey"] = Path(env["NATS_NKEY"])
    elif "NATS_USER" in env and "NATS_PASSWORD" in env:
        said["user"], said["password"] = env["NATS_USER"], env["NATS_PASSWORD"]
    elif "NATS_USER" in env:
        said["token"] = env["NATS_USER"]  # as the CLI has it: a user without a password is a token
    if said:
        nobody = {"creds": None, "nkey": None, "user": None, "password": None, "token": None}
        found = msgspec.structs.replace(found, **(nobody | said))
    tls = {"ca": "NATS_CA", "cert": "NATS_CERT", "key": "NATS_KEY"}
    return msgspec.structs.replace(found, **{field: Path(env[name]) for field, name in tls.items() if name in env})


def _without_login(url: str) -> str:
    if "://" not in url:
        return url.rsplit("@", 1)[-1]
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1]))
