"""The counterpart of the README's agent: gives coffee for wheat.

It has no handlers, so it does what it stated: it accepts what is good for it, and confirms what arrives.
"""

from hms_a2a import Agent, Give, Want

agent = Agent("ghana")
agent.join("bazaar", gives=[Give("coffee", 50, cost=40)], wants=[Want("wheat", 100, value=30)])
agent.run()
