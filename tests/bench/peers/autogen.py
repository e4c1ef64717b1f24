"""AutoGen Core with the runtime that it brings: agents in one process, which hands objects over and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler

from bargain import TEXT, Accepted, Confirm, Counterpart, Proposer, Settled, Terms, ask_as_told, named, ready, run


@dataclass
class Text:
    """An echo."""

    text: str


class Answerer(RoutedAgent):  # type: ignore[misc]
    """Answers everything."""

    def __init__(self) -> None:
        super().__init__("answers everything")
        self._counterpart = Counterpart()

    @message_handler  # type: ignore[untyped-decorator]
    async def echo(self, message: Text, ctx: MessageContext) -> Text:
        """Say it again."""
        return Text(message.text)

    @message_handler  # type: ignore[untyped-decorator]
    async def propose(self, message: Terms, ctx: MessageContext) -> Accepted:
        """Accept what is good."""
        return self._counterpart.accept(message)

    @message_handler  # type: ignore[untyped-decorator]
    async def confirm(self, message: Confirm, ctx: MessageContext) -> Settled:
        """Settle what was accepted."""
        return self._counterpart.settle(message)


async def answer(url: str, folder: str) -> None:
    """The asker's process answers."""
    await ready()


async def ask(url: str, folder: str) -> None:
    """Ask."""
    runtime = SingleThreadedAgentRuntime()
    await Answerer.register(runtime, "answerer", Answerer)
    runtime.start()
    peer = AgentId("answerer", "default")
    proposer = Proposer()

    async def echo() -> None:
        assert (await runtime.send_message(Text(TEXT), peer)).text == TEXT

    async def deal() -> None:
        terms = proposer.terms()
        accepted = await runtime.send_message(terms, peer)
        assert accepted.terms == named(terms)
        settled = await runtime.send_message(Confirm(accepted.terms), peer)
        assert settled.terms == accepted.terms

    await ask_as_told({"echo": echo, "deal": deal})


if __name__ == "__main__":
    run(answer, ask)
