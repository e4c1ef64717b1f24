"""Plot how a check grows with a deal's parties: `target/bench/proof.json` as `docs/proof-growth.svg`."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "proof-growth"  # the same figures give the same file
from matplotlib import pyplot as plt  # noqa: E402 # the backend is chosen first

ROOT = Path(__file__).resolve().parents[3]
FIGURES = ROOT / "target/bench/proof.json"
PLOT = ROOT / "docs/proof-growth.svg"
#: What a check of all claims of a deal may take, by parties, in microseconds.
BOUNDS_US = ((3, 100.0), (20, 10_000.0))


def main() -> None:
    """Draw it."""
    rows = json.loads(FIGURES.read_text())["deals"]
    figure, axes = plt.subplots(figsize=(7.5, 5))
    for shape, mark in (("ring", "o"), ("exchange", "s")):
        of = [row for row in rows if row["shape"] == shape]
        parties = [row["parties"] for row in of]
        axes.plot(parties, [row["kernel_deal_us"] for row in of], marker=mark, label=f"{shape}: all claims, kernel")
        axes.plot(
            parties, [row["python_deal_us"] for row in of], marker=mark, ls=":", label=f"{shape}: all claims, Python"
        )
        axes.plot(
            parties, [row["kernel_claim_us"] for row in of], marker=mark, ls="--", label=f"{shape}: a claim, kernel"
        )
    few, most = zip(*BOUNDS_US, strict=True)
    axes.scatter(few, most, marker="_", s=200, color="black", label="asked for at most", zorder=3)
    axes.set(yscale="log", xlabel="parties", ylabel="median, microseconds", xticks=[3, 5, 8, 12, 16, 20])
    axes.grid(which="both", alpha=0.3)
    axes.legend(fontsize="small", ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})
    print(PLOT.relative_to(ROOT))


if __name__ == "__main__":
    main()
