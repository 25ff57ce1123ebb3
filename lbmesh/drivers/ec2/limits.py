"""Every bound, period and number of fronts that EC2 moves. Times in seconds."""

CONNECT_S = 2.0
READ_S = 4.0
"""Of one call, as boto3 counts: to connect, and between two bytes of an answer. EC2 answers within a second."""

CALL_S = 6.0
"""Of one call, by the clock. It may go on; what it still brings about is refused by EC2 where ADR 32 says so."""

ACQUIRE_S = 14.0
"""An acquire: its turn, and six calls of 2 s. The core takes an order for failed after 15 s."""

WAIT_S = 2.0
"""An order that waits for longer, for its turn or for EC2's patience, is told that it waits, and is given again."""

PLACES = 3
"""Fronts of a node that move at the same time: six calls of each are what the burst allows."""

ILL_S = 60.0
"""As long as EC2 itself fails or is slow, it does so for all nodes. After this another one tries: it may be the way."""

CHOSEN_S = 15.0
"""A look is answered before, or not at all."""

START_S = 20.0
"""To import boto3 and read its model of EC2: a quarter of a second of a free core."""

STUCK_S = 12.0
"""A call that has not ended by now is stuck, whatever boto3's own deadlines are, and its process is killed."""

VERIFY_S = 8.0
VERIFY_GAP_S = 0.25
VERIFY_GAP_MAX_S = 2.0
"""What EC2 tells is consistent eventually: it has so long to show what it said was done; and between two looks."""

LOOK_S = 10.0
"""Between two looks of a holder, and of another node that could not take the front as things are."""

READY_S = 600.0
"""Between two looks of another node that could."""

CALLS_MAX = 16
LOOKS_MAX = 4
"""At the same time: all, and looks that nobody waits for, so that there is always room for orders. A thread that hangs
counts for as long as it hangs.
"""

BURST = 20
RATE_PER_S = 2.0
"""Calls of one node. EC2 gives an account 50 to 100 at once and 5 to 20 a second, of which others want their part."""

RESERVE = 10.0
"""Looks wait for so many calls to be left for orders."""

PAUSE_S = 0.5
PAUSE_MAX_S = 16.0
"""After an answer that the rate is too high nothing is called for so long, doubled while the answers stay so."""

METADATA_S = 1.0
"""To ask the instance metadata, all in all: they are 1 ms away, or are not there."""

TAG = "lbmesh:epoch"
"""The key of the tag that has the epoch and the node of the newest claim."""

CHANGES_MAX = 4
"""So often in a row another's call may come in between before it is taken for something else."""
