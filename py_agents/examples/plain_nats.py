"""An agent without our package: nats-py, an NKey and MessagePack. It joins the README's market and trades once."""

import asyncio
import base64
import hashlib
import json
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import nats
import nkeys

ME, MARKET, GIVES, WANTS = "mali", "bazaar", "coffee", "wheat"
COST, VALUE = 40, 30  # what a unit costs it, and is worth to it
KEY = nkeys.from_seed(bytearray(nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER)))


async def main(url: str) -> None:
    """Trade, and say how it goes."""
    bus, account, user, state = await nats.connect(url), "", KEY.public_key.decode(), ""

    async def ask(subject: str, **body: Any) -> bytes:
        raw, nonce, ts = msgspec.msgpack.encode(body), secrets.token_hex(8), datetime.now(UTC).strftime("%FT%TZ")
        lines = ["AGENT-SENDER-V1", account, user, subject, ts, nonce, hashlib.sha256(raw).hexdigest(), ""]
        signature = base64.urlsafe_b64encode(KEY.sign("\n".join(lines).encode())).rstrip(b"=").decode()
        sender = {"v": 1, "account": account, "user": user, "name": ME, "sub": subject, "ts": ts, "nonce": nonce}
        headers = {"Agent-Sender": json.dumps(sender | {"sig": signature}, separators=(",", ":"))} if account else {}
        reply = await bus.request(subject, raw, timeout=5, headers=headers | {"Hms-Type": body["type"]})
        if reply.headers and "Nats-Service-Error" in reply.headers:
            raise SystemExit(f"{subject}: {reply.headers['Nats-Service-Error']}")
        return reply.data

    account = msgspec.msgpack.decode(await ask("hms.v1.registry.hello", type="registry.hello"))["account"]
    inbox = await bus.subscribe(f"hms.v1.live.inbox.{ME}")
    await ask("hms.v1.registry.register", type="registry.register", agent=ME, key=user, lease_ms=3_600_000)
    move: dict[str, Any] = {"move_id": secrets.token_hex(8), "deadline_unix_ms": int(time.time() * 1000) + 30_000}
    move |= {"book": MARKET, "limits": [{"good": GIVES, "quantity": 50}]}
    await ask("hms.v1.ledger.declare", type="ledger.declare", **move)
    cost = {"good": GIVES, "cost": {"lo": str(COST), "hi": str(COST)}}
    value = {"good": WANTS, "value": {"lo": str(VALUE), "hi": str(VALUE)}}
    offer = {"gives": [cost | {"limit": 50}], "wants": [{"any_of": [value | {"limit": 100}]}], "margin_ppm": 0}
    await ask(f"hms.v1.market.{MARKET}.{ME}", type="intent", market=MARKET, agent=ME, **offer)
    print(f"{ME} joined {MARKET}", flush=True)
    while state != "settled":
        note = msgspec.msgpack.decode((await inbox.next_msg(timeout=None)).data)
        deal, event, state = note["deal"], note["event"], note["state"]
        print(f"deal {deal}: {event}", flush=True)
        if event == "opened":
            terms = msgspec.msgpack.decode(note["terms"])
            gets = sum(one["quantity"] for one in terms["transfers"] if one["to"] == ME)
            if gets * VALUE <= COST * sum(one["quantity"] for one in terms["transfers"] if one["from"] == ME):
                raise SystemExit("a bad deal")
            move = {"terms_hash": hashlib.sha256(note["terms"]).digest(), "deadline_unix_ms": terms["expires_unix_ms"]}
            move |= {"deal": deal, "move_id": f"move-{deal}"}
            worth = {"values": [value], "costs": [cost], "margin_ppm": 0}
            await ask(f"hms.v1.deal.accept.{ME}.{deal}", type="deal.accept", valuation=worth, **move)
        elif event == "committed":
            await ask(f"hms.v1.deal.confirm.{ME}.{deal}", type="deal.confirm", **move | {"move_id": "confirmed"})
    await bus.close()


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "nats://127.0.0.1:4222"))
