"""How is the house put together: settings -> Gateway -> one WSGI application, one worker?"""

from __future__ import annotations

import gc
import logging
import os
from contextlib import closing
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from dramatiq import Broker

from gateway import log, server
from gateway import settings as settings_module
from gateway.clock import Clock, system_clock
from gateway.db import migrate
from gateway.db.engine import create_engine
from gateway.domain.limits import parse_group_limits
from gateway.domain.tokens import Keys
from gateway.errors import SettingsError
from gateway.intake.listener import Listener
from gateway.mail.smtp_url import parse_relays
from gateway.services import (
    accounts,
    backup,
    brandsettings,
    catalogue,
    dkim,
    dnschecks,
    doubts,
    erasure,
    explain,
    fileimport,
    formfields,
    health,
    hits,
    integrationcheck,
    integrations,
    mailings,
    merges,
    onehost,
    onetomany,
    orphans,
    quarantine,
    recipients,
    reconcile,
    recovery,
    remotegroups,
    restoring,
    review,
    sync,
    syncchoices,
    syncruns,
    templates,
    webhooks,
    writebacks,
)
from gateway.services.archive import Manifest
from gateway.services.gateway import Gateway, Ring
from gateway.services.jobs import JobStore
from gateway.services.ratelimits import Rates
from gateway.services.restoring import Restored
from gateway.settings import Settings
from gateway.worker import handlers
from gateway.worker.broker import is_stopping, make_broker
from gateway.worker.doorbell import BrokerDoorbell
from gateway.worker.engine import DEFAULT_CONCURRENCY, BackgroundWork

__all__ = ["accounts", "brandsettings", "build", "catalogue", "dkim", "dnschecks", "doubts",
           "erasure", "explain", "fileimport", "formfields", "health", "initialise", "integrationcheck",
           "integrations", "mailings", "merges", "onetomany", "open_gateway", "orphans", "quarantine", "recipients",
           "reconcile", "remotegroups", "review", "run_worker", "serve", "sync", "syncchoices", "syncruns",
           "templates", "webhooks", "writebacks"]

logger = logging.getLogger("gateway")


def build(settings: Settings, clock: Clock = system_clock) -> Gateway:
    """The long-lived object of a process; connects to nothing yet. Its ``close`` stops all it started."""
    parse_group_limits(settings.domain_limits)  # a mistake in it is said now, not with the first mailing
    parse_relays(settings.smtp_url)
    engine = create_engine(settings.database_url)
    gateway = Gateway(settings, engine, Keys.from_secret(settings.secret_key, settings.old_secret_keys), clock)
    broker = make_broker(settings.broker_url, JobStore(engine))
    handlers.declare(broker, gateway)
    gateway.doorbell = BrokerDoorbell(broker)
    gateway.stopping = partial(is_stopping, broker)
    gateway.on_close.append(broker.close)
    return gateway


def open_gateway(config: Path | None = None) -> Gateway:
    """The gateway of the environment's settings; raises ``SettingsError`` unless ``gateway init`` was run."""
    gateway = build(settings_module.load(config=config))
    if migrate.current(gateway.engine) != migrate.head():
        gateway.close()
        raise SettingsError("The database is not made or not up to date: run `gateway init`.")
    return gateway


def initialise(config: Path | None = None) -> Settings:
    """Makes the data folder, the secret key and the schema, or brings them up to date; safe to repeat."""
    settings = settings_module.load(config=config, make_key=True)
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    engine = create_engine(settings.database_url)
    try:
        migrate.upgrade(engine)
    finally:
        engine.dispose()
    return settings


def make_backup(config: Path | None, path: Path, *, with_key: bool = False) -> Manifest:
    """Writes the whole installation to ``path``; see :func:`gateway.services.backup.backup`."""
    with closing(open_gateway(config)) as gateway:
        return backup.backup(gateway.settings, path, gateway.clock, with_key=with_key)


def restore_backup(config: Path | None, path: Path, *, force: bool = False) -> Restored:
    """Brings a backup back, and lets the journals of this host tell what they know; see
    :func:`gateway.services.restoring.restore`. A key in it is taken when the installation has none."""
    key = restoring.key_of(path)
    try:
        settings = settings_module.load(config=config)
    except SettingsError:
        if key is None:
            raise
        settings = settings_module.load({**os.environ, "GATEWAY_SECRET_KEY": key}, config)
        done = restoring.restore(settings, path, system_clock, force=force)
        restoring.keep_key(settings)
    else:
        done = restoring.restore(settings, path, system_clock, force=force)
    with closing(open_gateway(config)) as gateway:
        recovery.recover(gateway)
    return done


def doors() -> ModuleType:
    """:mod:`gateway.doors`, loaded when something is served: most commands never meet a door, and the libraries of the
    doors take longer to load than all the rest."""
    return import_module("gateway.doors")


def serve(config: Path | None, host: str, port: int, workers: int, with_worker: bool) -> None:
    """Serves until it is told to stop; with ``workers`` above 1 as that many processes over one socket."""
    first = open_gateway(config)  # a bad setting is said here, once, before anything is forked
    first.close()
    onehost.claim(first.settings.data_dir)
    rates = Rates(first.settings.requests_per_minute, workers)  # memory that all of them share
    sock = server.listen(host, port)
    log.event(logger, "listening", host=host, port=sock.getsockname()[1], workers=workers)
    if workers == 1:
        _serve_one(config, sock, with_worker, rates, 0)
        return
    children = [partial(_serve_one, config, sock, False, rates, number) for number in range(workers)]
    if with_worker:
        children.append(partial(run_worker, config, DEFAULT_CONCURRENCY))
    server.supervise(children)


def _serve_one(config: Path | None, sock: Any, with_worker: bool, rates: Rates, number: int) -> None:
    server.stop_on_signals()
    gateway = open_gateway(config)
    rates.own = number
    gateway.rates = rates
    try:
        _start_host(gateway)
        if with_worker:
            _start_worker(gateway, DEFAULT_CONCURRENCY)
        _start_folding(gateway, first=with_worker, answers=True)
        made = doors().make(gateway)
        gc.freeze()  # what is loaded now stays: the collector need not look at it during every request
        server.serve(made.application, sock, made.refusals, at_once=made.at_once, prefix=made.prefix)
    finally:
        gateway.close()


def run_worker(config: Path | None, concurrency: int) -> None:
    """Runs background work until SIGTERM or SIGINT; what is in hand reaches a safe point first."""
    server.stop_on_signals()
    gateway = open_gateway(config)
    try:
        _start_host(gateway)
        _start_worker(gateway, concurrency)
        _start_folding(gateway, first=True, answers=False)
        log.event(logger, "working", concurrency=concurrency)
        server.wait_for_stop()
    finally:
        gateway.close()


def _start_host(gateway: Gateway) -> None:
    host = onehost.Host(gateway.settings.data_dir)
    host.start()
    gateway.on_close.append(host.stop)


def _start_worker(gateway: Gateway, concurrency: int) -> None:
    broker = _broker_of(gateway)
    gateway.turns.most = max(1, concurrency // 2)
    work = BackgroundWork(broker, JobStore(gateway.engine), concurrency)
    work.start()
    gateway.on_close.append(work.stop)
    gateway.doorbell.ring([Ring("sweep")], None)  # what a killed process had in hand is taken up at once
    listener = Listener(gateway)
    listener.start()
    gateway.on_close.append(listener.stop)


def _start_folding(gateway: Gateway, *, first: bool, answers: bool) -> None:
    folding = hits.Folding(gateway, first=first, answers=answers)
    folding.start()
    gateway.on_close.append(folding.stop)


def _broker_of(gateway: Gateway) -> Broker:
    doorbell = gateway.doorbell
    if not isinstance(doorbell, BrokerDoorbell):
        raise TypeError("this gateway was built without a broker")
    return doorbell.broker
