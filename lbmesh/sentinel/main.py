"""Start of a node: open its sockets, count its boot, then supervise."""

import os
from collections.abc import Mapping
from pathlib import Path

from lbmesh.config.settings import Settings
from lbmesh.observe.ticks import SLOTS_MAX
from lbmesh.sentinel.boot import next_boot_epoch
from lbmesh.sentinel.commands import ChildCommands
from lbmesh.sentinel.decisions import ExitCode
from lbmesh.sentinel.log import LogWriter
from lbmesh.sentinel.node import Node, Plan
from lbmesh.sentinel.notify import ServiceManager, without_manager
from lbmesh.sentinel.priority import raise_priority
from lbmesh.sentinel.sockets import NodeSockets, describe, inherited_sockets, open_sockets


def run(
    settings: Settings,
    config_file: Path,
    commands: ChildCommands,
    environment: Mapping[str, str],
    log: LogWriter | None = None,
) -> int:
    """Run one node in the foreground until a signal ends it. Returns an `ExitCode`, or 128 plus a signal."""
    log = log or LogWriter(settings.log.level)
    if settings.workers >= SLOTS_MAX - 1:
        log.error("cannot start", problem=f"forwarder.workers: write at most {SLOTS_MAX - 2}")
        return ExitCode.CANNOT_START
    sockets = open_sockets(settings, inherited_sockets(environment, os.getpid()))
    if not isinstance(sockets, NodeSockets):
        for problem in sockets:
            log.error("cannot start", problem=problem)
        return ExitCode.CANNOT_START
    boot_epoch = _boot_epoch(settings, log)
    _say_where(settings, sockets, boot_epoch, log)
    manager = ServiceManager(environment, os.getpid())
    log.info("the sentinel's scheduling", policy=raise_priority())
    plan = Plan(settings, config_file, boot_epoch, commands, without_manager(environment))
    try:
        return Node(plan, sockets, manager, log).run()
    finally:
        manager.close()


def _boot_epoch(settings: Settings, log: LogWriter) -> int:
    """The epoch. What may be wrong with it is logged; a node alone needs none."""
    count = next_boot_epoch(settings.node.state_dir)
    if count.problem is not None and settings.gossip is not None:
        log.error(
            "the boot is not counted: the mesh may take this node for its own past, for some ten seconds",
            problem=count.problem,
        )
    elif count.problem is not None:
        log.info("the boot is not counted, which a node alone does not need", problem=count.problem)
    return count.epoch


def _say_where(settings: Settings, sockets: NodeSockets, boot_epoch: int, log: LogWriter) -> None:
    for address in sockets.unmatched:
        log.warning(
            "closed an inherited socket that no listener, admin, gossip or DNS address matches",
            address=address,
            hint="write the same address and port in the configuration and in the socket unit",
        )
    log.info(
        "node starts",
        node=settings.node.name,
        zone=settings.node.zone,
        boot_epoch=boot_epoch,
        forwarders=settings.workers,
        listeners=[describe(listener) for listener in sockets.listeners],
        admin=describe(sockets.admin) if sockets.admin else "",
        gossip=describe(sockets.gossip) if sockets.gossip else "",
        heartbeat=describe(sockets.heartbeat) if sockets.heartbeat else "",
        dns=[describe(one) for one in (*sockets.dns_udp, *sockets.dns_tcp)],
    )
