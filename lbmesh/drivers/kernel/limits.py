"""Every bound, period and mark of what is the same for all drivers in the kernel, in one place. Times in seconds."""

LEASE_S = 0.3
"""How long the kernel answers for a front that nobody renews: a frozen node falls silent by itself after that."""

LEASE_RENEW_S = 0.06
"""Between two renewals, 0.12 ms each: three may come late."""

LEASE_ANSWER_S = 1.0
"""A sentinel that has not answered the agent within this is in trouble."""

NFT_S = 5.0
"""What nft may take; measured, 8 ms."""

ADDRESS_PROTOCOL = 0x4C
"""IFA_PROTO of the addresses that are ours ("ip address" shows "proto 0x4c"). Linux has it since 5.18."""
