"""Do the balancer and the servers behind it agree on where each message ends?

Odd heads and bodies (`cases`) go through a real forwarder and a recording relay (`relay`) to real servers from PyPI
(`origins`), which run an application that says what it saw (`app`). `judge` compares the three accounts and what the
client got.
"""
