"""What a service manager does for socket activation: `python activate.py FD,FD… COMMAND…`.

The descriptors become 3, 4 and so on, LISTEN_FDS and LISTEN_PID say so, and the command takes this process's place.
"""

import fcntl
import os
import sys

FIRST = 3


def main() -> None:
    # Moved out of the way first, so that no target number is still a source.
    sources = [fcntl.fcntl(int(number), fcntl.F_DUPFD_CLOEXEC, 100) for number in sys.argv[1].split(",")]
    for offset, source in enumerate(sources):
        os.dup2(source, FIRST + offset)
    environment = {**os.environ, "LISTEN_FDS": str(len(sources)), "LISTEN_PID": str(os.getpid())}
    os.execve(sys.argv[2], sys.argv[2:], environment)


if __name__ == "__main__":
    main()
