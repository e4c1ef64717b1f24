"""The fault programme: breaks a real bus at random while agents deal on it; checks that nothing is lost or doubled.

    make faults MINUTES=5
    python -m tests.faults --minutes 5 --seed 7 --json report.json

`agents` deal and write down every call; `faults` says what can be broken, in a `house` of real processes, whose network
is a `cable` and whose disk a `disk` that forgets at a power cut; `checker` reads the histories and the logs. What it
finds it names with the stream sequence that shows it.
"""
