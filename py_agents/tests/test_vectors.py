"""The vectors that every implementation of the contract runs. The crate `schemas` runs the same."""

from __future__ import annotations

import hashlib
import json
import math
from fractions import Fraction
from functools import cache
from typing import Any

import jsonschema
import pytest

from hms_a2a import _subjects as subjects
from hms_a2a import _wire as wire
from hms_a2a._codec import decode, decode_any, encode, to_json
from hms_a2a._deal import deal_id
from hms_a2a._errors import BadWire
from hms_a2a._keys import Key
from hms_a2a._rational import read_ratio, read_rational, write_ratio, write_rational
from hms_a2a._signing import Signer, signed_by
from shared_vectors import SCHEMAS, content, read

KINDS = {kind.TYPE: kind for kind in wire.MESSAGES}


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    """The validator of a type's JSON Schema."""
    schema = json.loads((SCHEMAS / "json" / f"{kind}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def fault_of(vector: dict[str, Any]) -> str | None:
    """What goes otherwise than the vector says."""
    body, kind = content(vector), KINDS[vector["type"]]
    if hashlib.sha256(body).hexdigest() != vector["sha256"]:
        return "has another SHA-256"
    try:
        message = decode(body, kind)
    except BadWire as error:
        if vector["verdict"] == "good":
            return f"is refused: {error}"
        if error.field != vector["field"]:
            return f"is refused at {error.field!r} and not at {vector['field']!r}: {error.reason}"
        if not error.reason:
            return "is refused without a reason"
        return None
    if vector["verdict"] == "bad":
        return f"is read as {message}"
    expected = bytes.fromhex(vector["rewritten_hex"]) if "rewritten_hex" in vector else body
    if encode(message) != expected:
        return f"is written as {encode(message).hex()}"
    if to_json(message) != vector["json"] or list(to_json(message)) != list(vector["json"]):
        return f"is shown as {to_json(message)}"
    if decode_any(expected) != message:
        return "is read as another message when its type is not said before"
    return None


def test_every_message_has_vectors() -> None:
    named = {path.stem for path in (SCHEMAS / "vectors").glob("*.json")}
    assert named == set(KINDS) | {"structure", "signatures", "deal-ids", "rationals", "ratios", "subjects"} | {
        "infix",
        "certificates",
        "mutants",
    }


@pytest.mark.parametrize("name", [*sorted(KINDS), "structure"])
def test_bodies(name: str) -> None:
    vectors = read(name)
    assert any(vector["verdict"] == "good" for vector in vectors)
    assert any(vector["verdict"] == "bad" for vector in vectors)
    assert len({vector["name"] for vector in vectors}) == len(vectors), "names repeat"
    faults = [f"{vector['name']} {fault}" for vector in vectors if (fault := fault_of(vector))]
    assert not faults, f"{len(faults)} of {len(vectors)}:\n" + "\n".join(faults)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_json_schemas(name: str) -> None:
    faults = []
    for vector in read(name):
        if "json" not in vector:
            continue
        accepted = validator(name).is_valid(vector["json"])
        if vector["verdict"] == "good" and not accepted:
            faults.append(f"{vector['name']} is refused")
        if vector["verdict"] == "bad" and vector["schema_sees"] and accepted:
            faults.append(f"{vector['name']} is accepted")
    assert not faults, "\n".join(faults)


def test_a_body_of_a_type_that_nobody_knows_is_not_understood() -> None:
    body = bytes.fromhex("81a474797065a76e6f2e73756368")
    for kind in KINDS.values():
        with pytest.raises(BadWire, match="not understood") as caught:
            decode(body, kind)
        assert caught.value.field == "type"
    with pytest.raises(BadWire, match="not understood"):
        decode_any(body)


def test_what_is_refused_when_read_is_refused_when_written() -> None:
    terms = next(vector for vector in read("terms") if vector["verdict"] == "good")
    good = decode(content(terms), wire.Terms)
    for bad, field in (
        ({"parties": ["kenya", "egypt"]}, "parties"),
        ({"book": "two.tokens"}, "book"),
        ({"expires_unix_ms": 2**63}, "expires_unix_ms"),
        ({"expires_unix_ms": 1.0}, "expires_unix_ms"),
        ({"book": None}, "book"),
        ({"expires_unix_ms": 2**64}, ""),
        ({"book": "\ud800"}, ""),
    ):
        parts = {name: getattr(good, name) for name in good.__struct_fields__} | bad
        with pytest.raises(BadWire) as caught:
            encode(wire.Terms(**parts))
        assert caught.value.field == field, bad


def test_signatures() -> None:
    vectors = read("signatures")
    assert len(vectors) > 30
    for vector in vectors:
        subject, payload = vector["subject"], bytes.fromhex(vector["payload_hex"])
        sender = signed_by(vector["header"], subject, payload)
        if vector["verdict"] == "bad":
            assert sender is None, vector["name"]
            continue
        assert sender is not None, vector["name"]
        assert (sender.user, sender.account, sender.name) == (vector["user"], vector["account"], vector["agent"])
        signer = Signer(Key(vector["test_seed"]), vector["account"], vector["agent"])
        header = signer.sign(subject, payload, vector["now_unix_ms"], vector["nonce"])
        assert header == vector["header"], vector["name"]


def test_deal_ids() -> None:
    for vector in read("deal-ids"):
        if vector["verdict"] == "good":
            assert deal_id(vector["opener"], vector["move_id"]) == subjects.deal_id(vector["deal"])
        else:
            with pytest.raises(ValueError, match="deal's id"):
                subjects.deal_id(vector["deal"])


def test_rationals() -> None:
    for vector in read("rationals"):
        if vector["verdict"] == "good":
            ratio = read_rational(vector["text"])
            assert ratio == Fraction(vector["numerator"], vector["denominator"])
            assert write_rational(ratio) == vector["text"]
            assert math.gcd(vector["numerator"], vector["denominator"]) == 1
        else:
            with pytest.raises(ValueError, match=r"."):
                read_rational(vector["text"])


def test_ratios() -> None:
    for vector in read("ratios"):
        if vector["verdict"] == "good":
            assert write_ratio(read_ratio(vector["text"])) == vector["text"]
        else:
            with pytest.raises(ValueError, match=r"."):
                read_ratio(vector["text"])


def test_subjects() -> None:
    for vector in read("subjects"):
        reader = getattr(subjects, f"parse_{vector['reader']}")
        if vector["verdict"] == "good":
            parts = reader(vector["subject"])
            parts = [parts] if isinstance(parts, str) else list(parts)
            assert parts == vector["parts"]
            assert getattr(subjects, vector["reader"])(*parts) == vector["subject"]
        else:
            with pytest.raises(ValueError, match=r"."):
                reader(vector["subject"])
