"""How is the house put together: settings -> Gateway -> one WSGI application, one worker?"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from dramatiq import Broker
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gateway import log, server
from gateway import settings as settings_module
from gateway.clock import Clock, system_clock
from gateway.db import migrate
from gateway.db.engine import create_engine
from gateway.domain.tokens import Keys
from gateway.errors import GatewayError, SettingsError
from gateway.public.app import make_app as make_public
from gateway.push.app import make_app as make_push
from gateway.push.compatible.app import make_app as make_compatible
from gateway.services import (
    accounts,
    brandsettings,
    erasure,
    explain,
    fileimport,
    health,
    integrations,
    merges,
    onetomany,
    sync,
)
from gateway.services.gateway import Gateway
from gateway.services.jobs import JobStore
from gateway.services.ratelimits import Rates
from gateway.settings import Settings
from gateway.soap import contract
from gateway.soap.app import make_app as make_soap
from gateway.soap.app import refusal as soap_refusal
from gateway.worker import handlers
from gateway.worker.broker import is_stopping, make_broker
from gateway.worker.doorbell import BrokerDoorbell
from gateway.worker.engine import DEFAULT_CONCURRENCY, BackgroundWork

__all__ = ["accounts", "brandsettings", "build", "contract", "erasure", "explain", "fileimport", "health", "initialise",
           "integrations", "merges", "onetomany", "open_gateway", "run_worker", "serve", "sync", "wsgi"]

SOAP = "/soap/v1"

logger = logging.getLogger("gateway")
WsgiApp = Callable[..., Iterable[bytes]]


def build(settings: Settings, clock: Clock = system_clock) -> Gateway:
    """The long-lived object of a process; connects to nothing yet. Its ``close`` stops all it started."""
    engine = create_engine(settings.database_url)
    gateway = Gateway(settings, engine, Keys.from_secret(settings.secret_key), clock)
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


def wsgi(gateway: Gateway) -> WsgiApp:
    """Every address of the installation (operator.md, Addresses) as one WSGI application."""
    compatible = make_compatible(gateway)
    doors = {SOAP: make_soap(gateway), "/push/v1": make_push(gateway, {"/v2": compatible}), "/v2": compatible,
             "/V2": compatible}  # its callers put addresses together as they like
    own = {"/healthz": _alive, "/readyz": partial(_ready, gateway), "/metrics": partial(_metrics, gateway)}
    return DispatcherMiddleware(make_public(gateway), {**doors, **own})


def serve(config: Path | None, host: str, port: int, workers: int, with_worker: bool) -> None:
    """Serves until it is told to stop; with ``workers`` above 1 as that many processes over one socket."""
    first = open_gateway(config)  # a bad setting is said here, once, before anything is forked
    first.close()
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
    gateway = open_gateway(config)
    rates.own = number
    gateway.rates = rates
    try:
        if with_worker:
            _start_worker(gateway, DEFAULT_CONCURRENCY)
        application = wsgi(gateway)
        gc.freeze()  # what is loaded now stays: the collector need not look at it during every request
        server.serve(application, sock, {SOAP: soap_refusal})
    finally:
        gateway.close()


def run_worker(config: Path | None, concurrency: int) -> None:
    """Runs background work until SIGTERM or SIGINT; what is in hand reaches a safe point first."""
    gateway = open_gateway(config)
    try:
        _start_worker(gateway, concurrency)
        log.event(logger, "working", concurrency=concurrency)
        server.wait_for_stop()
    finally:
        gateway.close()


def _start_worker(gateway: Gateway, concurrency: int) -> None:
    broker = _broker_of(gateway)
    work = BackgroundWork(broker, JobStore(gateway.engine), concurrency)
    work.start()
    gateway.on_close.append(work.stop)


def _broker_of(gateway: Gateway) -> Broker:
    doorbell = gateway.doorbell
    if not isinstance(doorbell, BrokerDoorbell):
        raise TypeError("this gateway was built without a broker")
    return doorbell.broker


def _alive(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return _answer(start_response, "200 OK", "text/plain", b"ok\n")


def _ready(gateway: Gateway, _environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    checks = health.readiness(gateway)
    status = "200 OK" if all(check.ok for check in checks) else "503 Service Unavailable"
    body = {check.name: "ok" if check.ok else "not ready" for check in checks}
    return _answer(start_response, status, "application/json", json.dumps(body).encode())


def _metrics(gateway: Gateway, _environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    try:
        found = health.metrics(gateway)
    except GatewayError:
        return _answer(start_response, "503 Service Unavailable", "text/plain", b"the store is away\n")
    lines = [f'{metric}{{{label}="{value}"}} {number:g}\n' for (metric, label, value), number in sorted(found.items())]
    return _answer(start_response, "200 OK", "text/plain; version=0.0.4; charset=utf-8", "".join(lines).encode())


def _answer(start_response: Callable[..., Any], status: str, content_type: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]
