"""Write the seeds of the fuzz targets, from the vectors that every implementation runs: `make fuzz` does."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parents[2] / "schemas" / "vectors"


def main() -> None:
    """Write them."""
    proofs = json.loads((VECTORS / "certificates.json").read_text())
    seeds = {"check": [], "infix": []}
    for vector in proofs:
        claim, evidence = bytes.fromhex(vector["claim"]), bytes.fromhex(vector["evidence"])
        if len(claim) < 2**16:
            seeds["check"].append(len(claim).to_bytes(2, "big") + claim + evidence)
    for vector in [*proofs, *json.loads((VECTORS / "infix.json").read_text())]:
        seeds["infix"].append(vector["text"].encode())
    for target, inputs in seeds.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (folder / f"vector-{number:03}").write_bytes(data)


if __name__ == "__main__":
    main()
