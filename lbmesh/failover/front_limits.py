"""Every bound and period of fronts, in one place. Times in seconds."""

SETTLE_S = 2.0
"""A node that starts takes nothing before it has had this time to hear who holds what."""

ORDER_S = 15.0
"""A driver that has not said within this how an order ended has failed it: a cloud's call takes some seconds."""

RETRY_S = 0.25
RETRY_MAX_S = 30.0
"""Between two attempts at an order, doubled each time."""

ACQUIRE_RETRY_MAX_S = 5.0
"""The same where nobody else could have the front: what was amiss may have been mended, and clients wait."""

OCCUPIED_RETRY_S = 0.1
OCCUPIED_RETRY_MAX_S = 1.0
"""The same for a front that still answers elsewhere: its holder may be about to fall silent."""

UNFIT_AFTER = 3
UNFIT_S = 60.0
"""After so many failures in a row a node passes a front on that another could have, and is passed by for so long."""

LEASE_S = 3.0
"""What a vote is worth, on the voter's clock."""

CLOCK_DRIFT_MAX = 0.01
"""Clocks run alike within this part; quartz is a hundred times better, a virtual machine's clock may be stretched."""

FENCE_S = 0.5
"""So long before the votes end a holder stops, so that it has stopped when they do."""

TERM_S = LEASE_S * (1 - 2 * CLOCK_DRIFT_MAX) - FENCE_S
"""What a vote is worth to who holds by it, on its own clock, from when it asked."""

RENEW_S = 0.75
"""Between two bids: three may be lost."""

FENCE_QUIET_S = 5.0
"""Who has lost a front without having let it go leaves it alone for this long."""

UNCLAIMED_S = 5.0
"""A node that should have a front, and does not claim it within this, is passed by: it may not know of it …"""

PASSED_S = 60.0
"""… for this long."""

HANDOVER_S = 5.0
"""An heir that does not hold what it is given within this does not get it …"""

BALK_S = 60.0
"""… and is not asked again for this long."""

RETURN_GAP_S = 1.0
"""Between two fronts that a node gives back."""

HOLD_DOWN_MAX_S = 600.0
LOSSES_S = 600.0
LOSSES_MAX = 8
"""Losses of a node remembered, and for how long; hold-down doubles with each but the first."""

FIRM_LOSSES = 2
"""So many losses of its home, and a front stays with who adopted it, though the home may think that it holds it."""

MASS_S = 60.0
"""Members lost within this are lost at once."""

STEP_S = 0.5
"""Between two fronts that are taken one at a time."""

LOOK_S = 1.0
"""Fronts are looked at this often, whatever happens."""

REASON_CHARACTERS_MAX = 160
"""Of a reason in a row; drivers' words may be long."""
