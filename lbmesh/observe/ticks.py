"""Tick ages: each process of a node stamps its slot of shared memory, the sentinel reads the stamps' ages.

Shared memory rather than messages: a stamp costs no system call, so the hot path can afford one a batch,
and a hung process needs to do nothing for its age to grow.
"""

import mmap
import os
import time

SLOT_BYTES = 8
SLOTS_MAX = 512


class TickBoard:
    """A page of monotonic timestamps, one slot a process. Slot 0 is the agent's, 1 + worker a forwarder's.

    A stamp is stored at once, through a view of integers. `struct.pack_into` would write zeros first, and whoever read
    between the two took a busy child for one that never ticked.
    """

    def __init__(self, file_descriptor: int) -> None:
        self.file_descriptor = file_descriptor
        self._memory = mmap.mmap(file_descriptor, SLOTS_MAX * SLOT_BYTES)
        self._stamps_ns = memoryview(self._memory).cast("Q")

    @classmethod
    def create(cls) -> "TickBoard":
        """A new board in anonymous memory, whose descriptor children inherit."""
        descriptor = os.memfd_create("lbmesh-ticks")
        os.ftruncate(descriptor, SLOTS_MAX * SLOT_BYTES)
        return cls(descriptor)

    def stamp(self, slot: int) -> None:
        """Say that the slot's process goes round its loop now."""
        self._stamps_ns[slot] = time.monotonic_ns()

    def age_s(self, slot: int) -> float | None:
        """Seconds since the slot was stamped; None when it never was (or was cleared)."""
        stamp_ns = self._stamps_ns[slot]
        return (time.monotonic_ns() - stamp_ns) / 1e9 if stamp_ns else None

    def clear(self, slot: int) -> None:
        """Forget a process that has ended."""
        self._stamps_ns[slot] = 0

    def close(self) -> None:
        """Release the memory."""
        self._stamps_ns.release()
        self._memory.close()
        os.close(self.file_descriptor)
