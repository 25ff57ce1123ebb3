"""HTTP/1.1 as an intermediary must read and write it: bytes in, values out, no sockets, no clock.

Two lanes read heads. The fast lane is one regular expression that recognises what is plainly valid; all
else goes to the h11 lane, which alone decides between a message and a refusal. One law binds them: what the
fast lane accepts, the h11 lane accepts with the same meaning (tests/fuzz proves it by example).
"""
