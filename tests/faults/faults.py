"""What can be done to a house, one fault at a time. Each undoes itself, so that none outlasts its turn."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from .cable import Cable

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from .house import House, Process


class Fault(NamedTuple):
    """A kind of fault."""

    name: str
    weight: int
    strike: Callable[[House, random.Random], None]


def _kill(of: Callable[[House], list[Process]], longest_s: float = 1.0) -> Callable[[House, random.Random], None]:
    """Kill one with -9, and leave it dead for a while."""

    def strike(house: House, rng: random.Random) -> None:
        victim = rng.choice(of(house))
        victim.kill()
        time.sleep(rng.uniform(0, longest_s))
        victim.up()

    return strike


def _stop(of: Callable[[House], list[Process]], longest_s: float = 4.0) -> Callable[[House, random.Random], None]:
    """Stop one in its tracks, and let it go on as if nothing had been."""

    def strike(house: House, rng: random.Random) -> None:
        victim = rng.choice(of(house))
        victim.signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0.3, longest_s))
        victim.signal(signal.SIGCONT)

    return strike


def _kill_many(house: House, rng: random.Random) -> None:
    """Kill several at the same time."""
    victims = rng.sample(house.processes, rng.randint(2, len(house.processes)))
    _kill_all(house, rng, victims, longest_s=1.0)


def _kill_brokers(house: House, rng: random.Random) -> None:
    """Kill two brokers of three: those that are left cannot store anything."""
    _kill_all(house, rng, list(rng.sample(house.brokers, 2)), longest_s=4.0)


def _kill_all(house: House, rng: random.Random, victims: Sequence[Process], longest_s: float) -> None:
    for victim in victims:
        victim.kill()
    time.sleep(rng.uniform(0, longest_s))
    for victim in victims:
        victim.up()
    for broker in house.brokers:
        broker.wait()


def _restart_broker(house: House, rng: random.Random) -> None:
    broker = rng.choice(house.brokers)
    broker.end()
    time.sleep(rng.uniform(0, 1.0))
    broker.up()
    broker.wait()


def _kill_broker(house: House, rng: random.Random) -> None:
    broker = rng.choice(house.brokers)
    broker.kill()
    time.sleep(rng.uniform(0, 1.0))
    broker.up()
    broker.wait()


def _power_cut(house: House, rng: random.Random) -> None:
    broker = rng.choice(house.brokers)
    broker.power_cut()
    broker.up()
    broker.wait()


def _blackout(house: House, rng: random.Random) -> None:
    """Everything loses power at once."""
    for process in [*house.agents, *house.cores]:
        process.kill()
    for broker in house.brokers:
        broker.kill()
    for broker in house.brokers:
        broker.power_cut()
        broker.up()
    for broker in house.brokers:
        broker.wait()
    for process in [*house.cores, *house.agents]:
        process.up()


def _cut(house: House, rng: random.Random) -> None:
    """Nobody but the agents reaches a broker."""
    _tamper(house, rng.uniform(0.2, 4.0), Cable.cut)


def _stall(house: House, rng: random.Random) -> None:
    _tamper(house, rng.uniform(0.3, 4.0), Cable.stall)


def _slow(house: House, rng: random.Random) -> None:
    delay_s = rng.uniform(0.02, 0.3)
    _tamper(house, rng.uniform(0.5, 4.0), lambda cable: cable.slow(delay_s))


def _tamper(house: House, lasting_s: float, do: Callable[[Cable], None]) -> None:
    for cable in house.cables:
        do(cable)
    time.sleep(lasting_s)
    for cable in house.cables:
        cable.start()


def _isolate(house: House, rng: random.Random) -> None:
    """A broker loses the others, not its clients; nobody is told, or everybody is."""
    broker = rng.randrange(len(house.brokers))
    house.isolate(broker, rng.choice([Cable.cut, Cable.stall]))
    time.sleep(rng.uniform(0.5, 6.0))
    house.isolate(broker, Cable.start)


def _full_disk(house: House, rng: random.Random) -> None:
    house.fill()
    time.sleep(rng.uniform(0.5, 3.0))
    house.clear()


#: Those that need a disk that forgets.
POWER_CUTS = frozenset({"power_cut", "blackout"})
#: Those that need a cluster.
OF_CLUSTERS = frozenset({"kill_brokers", "isolate_broker"})
#: Those that kill a process of one kind with -9.
KILLS = ("kill_node", "kill_desk", "kill_ledger", "kill_agents", "kill_broker")

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill_node", 3, _kill(lambda house: [house.node])),
        Fault("kill_desk", 3, _kill(lambda house: list(house.desks))),
        Fault("kill_ledger", 3, _kill(lambda house: list(house.ledgers))),
        Fault("kill_agents", 2, _kill(lambda house: list(house.agents))),
        Fault("kill_broker", 3, _kill_broker),
        Fault("kill_brokers", 3, _kill_brokers),
        Fault("kill_many", 2, _kill_many),
        Fault("stop_core", 3, _stop(lambda house: house.cores)),
        Fault("stop_agents", 1, _stop(lambda house: list(house.agents))),
        Fault("stop_broker", 1, _stop(lambda house: list(house.brokers))),
        Fault("restart_broker", 1, _restart_broker),
        Fault("power_cut", 3, _power_cut),
        Fault("blackout", 1, _blackout),
        Fault("cut_network", 2, _cut),
        Fault("stall_network", 2, _stall),
        Fault("slow_network", 1, _slow),
        Fault("isolate_broker", 3, _isolate),
        Fault("full_disk", 2, _full_disk),
    )
}
