"""Every bound and number of the driver that runs a program. Times in seconds, sizes in bytes."""

OUTPUT_MAX = 16 * 1024
"""Kept of each of what it writes to its standard output and error: the last. The rest is read and dropped."""

LINE_CHARACTERS_MAX = 200
"""Of a line that becomes a reason."""

PIPE_GRACE_S = 0.1
"""For what is still in the pipes after the program's end; a child that it left behind may hold them open for ever."""

UNFINISHED_MAX_S = 120.0
"""A move that is under way for longer has failed. Slow providers take 60 s (Hetzner's failover addresses)."""

LOOK_S = 10.0
"""Between two looks whether the program is there."""

EXIT_DONE = 0
EXIT_NEWER_EPOCH = 10
EXIT_ELSEWHERE = 11
EXIT_AGAIN = 75
"""EX_TEMPFAIL (sysexits.h)."""
