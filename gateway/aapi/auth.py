"""Whose account is it, who calls from where, and may they? In the order of aapi.md section 2.1."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from gateway.aapi import payload
from gateway.aapi.envelope import Request
from gateway.aapi.faults import (
    BRAND_NOT_FOUND,
    INVALID_CREDENTIALS,
    NO_AVAILABLE_IP_ADDRESS,
    SYSTEM_ACCESS,
    VALID_USER_NOT_FOUND,
    AapiError,
)
from gateway.aapi.nodes import child
from gateway.aapi.payload import ENCRYPTED, Payload
from gateway.domain.accounts import Actor
from gateway.errors import GatewayError
from gateway.services import documentaccounts
from gateway.services.documentaccounts import Account, Caller, PayloadKey
from gateway.services.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller who may ask, with what is asked. ``user`` is the name as stored."""

    account: Account
    user: str
    actor: Actor
    payload: Payload
    key: PayloadKey | None


def account_of(gateway: Gateway, request: Request, remote_addr: str) -> Account:
    """The account that the document names, if calls may come from ``remote_addr``."""
    account = documentaccounts.find(gateway, request.number)
    if account is None:
        raise AapiError(BRAND_NOT_FOUND, "There is no account with this Brand id.", request.root)
    if not account.admits(remote_addr):
        raise AapiError(NO_AVAILABLE_IP_ADDRESS, "The address that you call from is not on the account's list.")
    return account


def admit(gateway: Gateway, request: Request, remote_addr: str, request_id: str) -> Admitted:
    """The caller and the payload. A password is needed unless the payload is encrypted with the account's key, and
    right if there is one: what is asked is not unpacked for anybody before. Raises ``AapiError``."""
    account = account_of(gateway, request, remote_addr)
    is_packed = payload.is_packed(child(request.root, request.kind.asked))
    key = documentaccounts.payload_key(gateway, account) if is_packed else None
    try:
        if request.password or key is None:
            caller = known(documentaccounts.identify(gateway, account, request.user, request.password, remote_addr))
            asked = payload.read(request.asked, key)
        else:
            asked = proved(gateway, account, request, key, remote_addr)
            caller = known(documentaccounts.identify(gateway, account, request.user, None, remote_addr))
    except GatewayError as error:
        if error.code != "TOO_MANY_REQUESTS":
            raise
        raise AapiError(INVALID_CREDENTIALS, f"Too many log-ins failed; wait {error.retry_after_s} seconds, then try "
                                             "again.") from None
    return Admitted(account, caller.name, dataclasses.replace(caller.actor, request_id=request_id), asked, key)


def known(caller: Caller | None) -> Caller:
    """The caller, unless nobody has this name and password, or the user is disabled."""
    if caller is None:
        raise not_known()
    if caller.is_disabled:
        raise AapiError(VALID_USER_NOT_FOUND, "The user is disabled; ask an administrator.")
    return caller


def proved(gateway: Gateway, account: Account, request: Request, key: PayloadKey, remote_addr: str) -> Payload:
    """What is asked, by someone without a password who knows the account's key instead."""
    documentaccounts.check_guesses(gateway, account, request.user, remote_addr)
    try:
        asked = payload.read(request.asked, key)
    except AapiError:
        documentaccounts.guessed(gateway, account, request.user, remote_addr)
        raise
    if asked.kind != ENCRYPTED:
        documentaccounts.guessed(gateway, account, request.user, remote_addr)
        raise not_known()
    return asked


def not_known() -> AapiError:
    """The one fault for an unknown user and a wrong or missing password."""
    return AapiError(INVALID_CREDENTIALS, "The credentials are missing or wrong. Check Brand id, User and Password.")


def require(actor: Actor, right: str) -> None:
    """Raises ``SystemAccessException`` unless the user's role has this right."""
    if right not in actor.scopes:
        raise AapiError(SYSTEM_ACCESS, f"This user does not have the right '{right}'; use another, or ask an "
                                       "administrator.")
