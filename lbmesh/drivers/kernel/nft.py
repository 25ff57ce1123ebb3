"""Running nft(8), which sets rules. Sets of rules that are there are changed without it (`nf_tables.py`)."""

import os
import shutil

import trio

from lbmesh.drivers.kernel.limits import NFT_S


async def run_nft(text: str) -> str:
    """Have nft(8) carry out a script, in one transaction; what is wrong, if anything."""
    nft = shutil.which("nft", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if nft is None:
        return 'there is no program "nft": apt-get install nftables'
    try:
        with trio.fail_after(NFT_S):
            done = await trio.run_process((nft, "-f", "-"), stdin=text.encode(), capture_stderr=True, check=False)
    except trio.TooSlowError:
        return f"nft did not end within {NFT_S:g} s"
    except OSError as error:
        return f"{nft} cannot be run: {error.strerror}"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode(errors="replace").strip().partition("\n")[0]
    if "not permitted" in said:
        return "nft may not change them: give the service CAP_NET_ADMIN (AmbientCapabilities= in its unit)"
    return f"nft refused them: {said}"
