"""Twilio: calls that talk, messages that arrive, hooks that can be trusted. See docs/twilio.md.

The official SDK on one httpx client, which sends everything once. Every hook's path carries the attempt's id, so that
the first of Twilio's requests tells the call's SID, also where the answer to our own was lost. The path of a dialogue's
step carries the campaign's version, the step, and how many things were heard before it: any worker can answer it, and a
repeated one moves nothing.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import httpx
from twilio.rest import Client

from adapters import twilio_codes as codes
from adapters import twilio_facts as facts
from adapters.contract import (
    Event,
    EventKind,
    Heard,
    HookReply,
    HookRequest,
    Host,
    Order,
    Proof,
    Receipt,
    Spec,
    Step,
    Unavailable,
    Uncertain,
)
from adapters.twilio_http import LIMITS, ON_SENT, TIMEOUT, WRONG, HttpClient, Rejected, failure
from adapters.twilio_settings import Settings
from adapters.twilio_signature import Signatures
from adapters.twilio_voice import render

RING_MAX_S, VALIDITY_MAX_S = 600, 36_000
CREATED_BEFORE, CREATED_WITHIN = timedelta(seconds=30), timedelta(seconds=60)
"""How far Twilio's time of creation may lie before and after ours for a call to be the one that we look for: clocks
differ, and what else we sent to the number is known."""
LISTED_MAX = 50
XML, NOTHING = "text/xml", "<Response/>"
KEEPS = 10_000
"""SIDs whose attempts are remembered."""

DETECTION: dict[str, dict[str, str]] = {
    "off": {},
    "detect": {"machine_detection": "Enable"},
    "detect-message-end": {"machine_detection": "DetectMessageEnd"},
    "asynchronous": {"machine_detection": "DetectMessageEnd", "async_amd": "true"},
}


class TwilioAdapter:
    """The adapter."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = settings.auth_token.get_secret_value()
        self._key, self._signatures = self._token.encode(), Signatures(self._token)
        self._host: Host | None = None
        self._http: httpx.AsyncClient | None = None
        self._client: Client | None = None
        self._attempts: OrderedDict[str, str] = OrderedDict()
        """SID → attempt id, of the newest ones."""

    async def open(self, host: Host) -> None:
        settings = self._settings
        secret = settings.api_secret.get_secret_value() if settings.api_secret else self._token
        self._http = httpx.AsyncClient(timeout=TIMEOUT, limits=LIMITS, follow_redirects=False)
        # An empty environment would be taken for none, and TWILIO_REGION would move us to another host.
        self._client = Client(settings.api_key or settings.account_sid, secret, settings.account_sid,
                              http_client=HttpClient(self._http, settings.base_url), environment={"-": ""})  # fmt: skip
        # The SDK imports what is used when it is used: the first call of a line must not be late for that.
        assert self._client.calls is not None
        assert self._client.messages is not None
        self._host = host

    async def close(self) -> None:
        http, self._host, self._client, self._http = self._http, None, None, None
        if http is not None:
            await http.aclose()

    async def place(self, order: Order) -> Receipt:
        host, client = self._opened()
        left_s = (order.valid_until - host.now()).total_seconds() if order.valid_until else float(VALIDITY_MAX_S)
        if left_s <= 0:
            raise Unavailable(f"attempt {order.attempt_id} is past its validity")
        sent = [host.now()]
        ON_SENT.set(lambda: sent.append(host.now()))
        try:
            if order.channel == "voice":
                placed = await client.calls.create_async(**self._call(order))
            else:
                placed = await client.messages.create_async(**self._message(order, left_s))
        except (Rejected, *WRONG) as error:
            raise failure(error) from error
        if not isinstance(placed.sid, str):
            raise Uncertain("an answer without a SID")
        self._remember(placed.sid, order.attempt_id)
        return Receipt(placed.sid, sent[-1])

    def _call(self, order: Order) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "to": order.to,
            "from_": order.caller,
            "url": self._url("answered", order.attempt_id, str(order.version)),
            "method": "POST",
            "status_callback": self._url("call", order.attempt_id),
            "status_callback_method": "POST",
            "status_callback_event": ["initiated", "ringing", "answered", "completed"],
            "timeout": int(min(order.ring_timeout_s, RING_MAX_S)),
            "time_limit": int(order.time_limit_s),
            **DETECTION[order.detection],
        }
        if order.detection == "asynchronous":
            asked["async_amd_status_callback"] = self._url("machine", order.attempt_id)
            asked["async_amd_status_callback_method"] = "POST"
        if order.record:
            asked["record"] = True
        return asked

    def _message(self, order: Order, left_s: float) -> dict[str, Any]:
        service = self._settings.messaging_service
        return {
            "to": order.to,
            "body": order.text,
            "status_callback": self._url("message", order.attempt_id),
            "validity_period": max(1, min(int(left_s), VALIDITY_MAX_S)),
            **({"messaging_service_sid": service} if service else {"from_": order.caller}),
        }

    async def find(self, order: Order) -> list[Event]:
        """By the SID; where that was lost, the one call or message to that number since the claim; never one of two."""
        _, client = self._opened()
        what: Any = client.calls if order.channel == "voice" else client.messages
        try:
            if order.ref:
                found = [await what(order.ref).fetch_async()]
            else:
                found = self._candidates(await what.list_async(to=order.to, limit=LISTED_MAX), order)
        except Rejected as error:
            if error.code == 20404 and order.ref:
                return []
            raise Unavailable(f"Twilio can't be asked: {error}", error.retry_after_s) from error
        except WRONG as error:
            raise Unavailable(f"Twilio can't be asked: {type(error).__name__}") from error
        if len(found) > 1:
            raise Unavailable(f"{len(found)} of Twilio's records may be this attempt")
        for one in found:
            self._remember(one.sid, order.attempt_id)
        tell = facts.of_call_resource if order.channel == "voice" else facts.of_message_resource
        return [event for one in found for event in tell(one, order.attempt_id)]

    def _candidates(self, listed: Sequence[Any], order: Order) -> list[Any]:
        """Those that may be the order: our own requests, of that time, and no other attempt's."""
        mine = [one for one in listed if self._attempts.get(one.sid) == order.attempt_id]
        others = order.others | self._attempts.keys()
        service = self._settings.messaging_service
        return mine or [one for one in listed if one.sid not in others and _fits(one, order, service)]

    async def hang_up(self, ref: str) -> None:
        _, client = self._opened()
        try:
            await client.calls(ref).update_async(status="completed")
        except Rejected as error:
            if error.status != 404 and error.code != 21220:  # unknown, or over already
                raise Unavailable(f"Twilio did not hang up: {error}", error.retry_after_s) from error
        except WRONG as error:
            raise Unavailable(f"Twilio did not hang up: {type(error).__name__}") from error

    # --- what Twilio asks us -------------------------------------------------------------------------------------

    async def hook(self, request: HookRequest) -> HookReply:
        """403 where it is not signed by the account, 404 where its path is none that we gave."""
        host, _ = self._opened()
        kind, *parts = [unquote(part) for part in request.path.split("/")[3:]] or [""]
        if kind == "probe":
            return self._probed(parts)
        form = self._signatures.form(request, host.public_url)
        if form is None or not facts.is_sound(form, self._settings.account_sid):
            return HookReply(403, "not signed by Twilio")
        if kind == "inbound":
            await host.record(facts.of_text(form, host.now()))
            return HookReply(200, NOTHING, XML)  # anything else would be sent as our answer
        if len(parts) < 2 or not hmac.compare_digest(parts[1].encode(), self._tag(parts[0]).encode()):
            return HookReply(404, "no address of ours")
        attempt_id, now = parts[0], host.now()
        if not (ref := form.get("MessageSid" if kind == "message" else "CallSid", "")):
            return HookReply(400, "names no call or message")
        self._remember(ref, attempt_id)
        match kind, parts[2:]:
            case "call", []:
                await host.record(facts.of_call(form, attempt_id, now))
            case "message", []:
                await host.record(facts.of_message(form, attempt_id, now))
            case "machine", []:
                await self._detected(form, attempt_id)
            case "answered", [version]:
                heard = await self._answered(form, attempt_id)
                return self._twiml(await host.step(attempt_id, heard), form, attempt_id, version)
            case "step", [version, which] if (count := facts.number(which.partition(".")[0])) is not None:
                step = await host.step(attempt_id, _heard(form, count))
                return self._twiml(step, form, attempt_id, version)
            case _:
                return HookReply(404, "no address of ours")
        return HookReply(204)

    async def _answered(self, form: Mapping[str, str], attempt_id: str) -> Heard:
        """The dialogue's beginning: that the call was answered may not have been told yet."""
        host, _ = self._opened()
        ref, by, now = form.get("CallSid", ""), form.get("AnsweredBy", ""), host.now()
        events = [facts.fact(EventKind.ANSWERED, now, attempt_id, ref)]
        await host.record(events + facts.detected(by, now, attempt_id, ref))
        return Heard("machine" if by in codes.MACHINES else "start", number=0)

    async def _detected(self, form: Mapping[str, str], attempt_id: str) -> None:
        """The verdict that comes while the dialogue runs: to a machine the rest is said, or it is hung up."""
        host, client = self._opened()
        by, ref = form.get("AnsweredBy", ""), form.get("CallSid", "")
        await host.record(facts.detected(by, host.now(), attempt_id, ref))
        if by not in codes.MACHINES:
            return
        step = await host.step(attempt_id, Heard("machine"))
        if step.goes_on:
            return
        try:
            await client.calls(ref).update_async(twiml=self._twiml(step, form, attempt_id, "1").body)
        except Rejected as error:
            if error.status != 404 and error.code != 21220:
                raise

    def _twiml(self, step: Step, form: Mapping[str, str], attempt_id: str, version: str) -> HookReply:
        # In one with the number: a step may be named "..", which no address keeps.
        action = self._url("step", attempt_id, version, f"{step.number}.{step.name}")
        return HookReply(200, str(render(step, action, form.get("From", ""), self._settings.voices)), XML)

    # --- addresses -----------------------------------------------------------------------------------------------

    def _url(self, kind: str, attempt_id: str, *more: str) -> str:
        host, _ = self._opened()
        parts = (kind, attempt_id, self._tag(attempt_id), *more)
        return f"{host.public_url}/hooks/twilio/{'/'.join(quote(part, safe='') for part in parts)}"

    def _tag(self, text: str) -> str:
        """Shows that an address is one of ours, to whoever has the token."""
        return hmac.digest(self._key, text.encode(), "sha256").hex()[:24]

    def _remember(self, ref: str, attempt_id: str) -> None:
        self._attempts[ref] = attempt_id
        if len(self._attempts) > KEEPS:
            self._attempts.popitem(last=False)

    def _opened(self) -> tuple[Host, Client]:
        if self._host is None or self._client is None:
            raise Unavailable("the twilio adapter is closed")
        return self._host, self._client

    # --- the live check ------------------------------------------------------------------------------------------

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        return [await self._account(), *[await self._number(*each) for each in callers.items()], await self._reached()]

    async def _account(self) -> Proof:
        _, client = self._opened()
        what = f"account {self._settings.account_sid[:6]}…"
        try:
            if self._settings.api_key:
                await client.calls.list_async(limit=1)  # a standard key may not read the account
                return Proof(what, True, "the API key may use it")
            account = await client.api.v2010.accounts(self._settings.account_sid).fetch_async()
        except Rejected as error:
            said = "the account SID and the auth token (or API key) do not fit" if error.status in (401, 403) else ""
            return Proof(what, False, said or f"Twilio refused: {error}")
        except WRONG as error:
            where = self._settings.base_url or "api.twilio.com"
            return Proof(
                what, False, f"{where} can't be reached, or is no Twilio: {type(error).__name__}; see base_url"
            )
        trial = "; a trial account: it reaches verified numbers alone" if str(account.type).lower() == "trial" else ""
        remedy = "" if account.status == "active" else "; see Twilio's console"
        return Proof(what, account.status == "active", f"is {account.status}{trial}{remedy}")

    async def _number(self, caller: str, channels: frozenset[str]) -> Proof:
        """Whether the account has the number, with what the lines that use it need."""
        _, client = self._opened()
        what = f"caller {caller}"
        try:
            found = await client.incoming_phone_numbers.list_async(phone_number=caller, limit=1)
            verified = found or await client.outgoing_caller_ids.list_async(phone_number=caller, limit=1)
        except (Rejected, *WRONG) as error:
            told = error if isinstance(error, Rejected) else type(error).__name__
            return Proof(what, False, f"Twilio can't be asked: {told}")
        if not found and verified and channels == {"voice"}:
            return Proof(what, True, "is a verified caller id")
        if not found:
            return Proof(
                what, False, "is no number of the account; buy it there, or, for calls, verify it as a caller id"
            )
        able = {name.lower() for name, has in dict(found[0].capabilities or {}).items() if has}
        missing = sorted(channels - able)
        return Proof(
            what,
            not missing,
            f"has no {' and no '.join(missing)}: another number, or other channels of its lines"
            if missing
            else "can do what is asked",
        )

    async def _reached(self) -> Proof:
        """Asks ourselves from outside: only a daemon with the same token knows the answer."""
        host, nonce = self._opened()[0], secrets.token_hex(8)
        what = f"public URL {host.public_url}"
        url = f"{host.public_url}/hooks/twilio/probe/{nonce}/{self._tag(f'ask {nonce}')}"
        assert self._http is not None  # it is open
        try:
            reply = await self._http.get(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Proof(
                what, False, f"nobody answers ({type(error).__name__}): start dialer run, and the tunnel to it"
            )
        if hmac.compare_digest(reply.content, self._tag(f"told {nonce}").encode()):
            return Proof(what, True, "leads to this daemon")
        said = "a daemon with another auth token" if reply.status_code == 403 else f"HTTP {reply.status_code}"
        return Proof(what, False, f"leads to something else ({said}); see web.public_url")

    def _probed(self, parts: Sequence[str]) -> HookReply:
        match parts:
            case [nonce, tag] if hmac.compare_digest(tag.encode(), self._tag(f"ask {nonce}").encode()):
                return HookReply(200, self._tag(f"told {nonce}"))
        return HookReply(403, "not signed by us")


def _heard(form: Mapping[str, str], number: int) -> Heard:
    """What a request of the dialogue says, about the step before which so many things were heard."""
    if status := form.get("DialCallStatus"):
        return Heard("transferred", connected=status in codes.BRIDGED, number=number)
    digits = form.get("Digits", "")
    return Heard("keys" if digits else "silence", digits, number=number)


def _fits(one: Any, order: Order, service: str | None) -> bool:
    """Whether a listed call or message may be the order's: sent by request, by its caller or service, at its time."""
    if str(one.direction) != "outbound-api" or one.to != order.to or getattr(one, "parent_call_sid", None):
        return False
    sender, by = getattr(one, "_from", None) or getattr(one, "from_", None), order.caller
    if order.channel == "sms" and service is not None:
        sender, by = one.messaging_service_sid, service
    if sender != by:
        return False
    if order.placed_at is None or one.date_created is None:
        return order.placed_at is None
    created: datetime = one.date_created
    until = order.placed_until or order.placed_at
    return order.placed_at - CREATED_BEFORE <= created <= until + CREATED_WITHIN


ADAPTER = Spec(
    name="twilio",
    channels=frozenset({"voice", "sms"}),
    receipts=True,
    settings=Settings,
    build=TwilioAdapter,
    visibility_delay_s=60.0,
    calls_back=True,
)
