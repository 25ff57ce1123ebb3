"""Every bound, period and number of fronts that EC2 moves. Times in seconds."""

CONNECT_S = 2.0
READ_S = 4.0
"""Of one call, as boto3 counts: to connect, and between two bytes of an answer. EC2 answers within a second."""

CALL_S = 6.0
"""Of one call, by the clock. Its thread may go on for longer; what it still brings about is refused by EC2 where ADR 32
says so.
"""

ACQUIRE_S = 12.0
"""All calls of an acquire; the core takes an order for failed after 15 s."""

START_S = 20.0
"""To import boto3 and read its model of EC2: half a second of a free core."""

VERIFY_S = 8.0
VERIFY_GAP_S = 0.25
VERIFY_GAP_MAX_S = 2.0
"""What EC2 tells is consistent eventually: it has so long to show what it said was done; and between two looks."""

LOOK_S = 10.0
"""Between two looks of a holder. Another one does not ask at all."""

CALLS_MAX = 8
"""At the same time. A thread that hangs counts for as long as it hangs."""

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
