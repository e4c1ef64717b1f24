"""A supervisor, workers, verifiers and a human: a small report is written together.

Start a bus with `hms up`, then this.
"""

import asyncio

from hms_a2a import Agent, Result, Work, wire

boss = Agent("boss")
clerks = [Agent(f"clerk-{n}") for n in range(3)]
checkers = [Agent(f"checker-{n}") for n in range(2)]
editor = Agent("editor")

for clerk in clerks:

    @clerk.tasks.worker("count", price=lambda task: task.budget_minor // 2)
    async def count(work: Work) -> str:
        """How long what it is given is."""
        return str(sum(len(text) for text in work.inputs.values()) or len(work.brief))


for checker in checkers:

    @checker.tasks.verifier
    async def check(result: Result) -> bool | str:
        """Whether that can be."""
        return result.result.isdigit() or "not a number"


@editor.tasks.gatekeeper
async def approve(result: Result) -> bool:
    """Let it through."""
    print(f"the editor sees {result.task}: {result.result.decode()}")
    return True


def task(name: str, brief: str, *needs: str, gate: bool = False) -> wire.Task:
    """A task for whoever can count, judged by two."""
    panel = wire.Panel(asked=2, lead=2)
    return wire.Task(task=name, brief=brief, needs=list(needs), skill="count", budget_minor=100, panel=panel, gate=gate)


async def main() -> None:
    """Submit the job, and wait for its end."""
    everyone = [boss, editor, *clerks, *checkers]
    await asyncio.gather(*(agent.start() for agent in everyone))
    job = await boss.tasks.submit(
        [task("north", "wheat and barley"), task("south", "tea"), task("report", "", "north", "south", gate=True)],
        verifiers=[checker.id for checker in checkers],
        gatekeepers=[editor.id],
    )
    print(await job.ended())
    await asyncio.gather(*(agent.stop() for agent in everyone))


asyncio.run(main())
