"""A node's first process: holds its sockets, starts the agent and the forwarders, and watches over them.

Plain standard library with one selector, so that it is small, starts in milliseconds and is never busy.
"""
