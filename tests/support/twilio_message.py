"""How one message goes: queued, sent, delivered or not; and messages from a person."""

import math

from tests.support.twilio_office import API, Message, Office, Sent

STOP = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"}
START = {"START", "YES", "UNSTOP"}


def segments(text: str) -> int:
    """Roughly: whatever is in Latin-1 counts as the GSM alphabet."""
    one, more = (160, 153) if all(ord(letter) < 256 or letter == "€" for letter in text) else (70, 67)
    return 1 if len(text) <= one else math.ceil(len(text) / more)


async def live(office: Office, message: Message) -> None:
    act = message.act
    await _reach(office, message, "queued")
    if act.receipt != "failed":
        message.sent_at = office.now()
        await _reach(office, message, "sent")
    if act.receipt:
        message.error_code = act.receipt_code
        await _reach(office, message, act.receipt)
    await office.settle(message)


async def _reach(office: Office, message: Message, status: str) -> None:
    message.status, message.updated_at = status, office.now()
    if url := message.form.get("StatusCallback", ""):
        form = {
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "MessageStatus": status,
            "SmsStatus": status,
            "To": message.to,
            "From": message.from_,
            "AccountSid": office.account_sid,
            "ApiVersion": API,
        }
        if message.error_code:
            form["ErrorCode"] = str(message.error_code)
        if status in {"delivered", "undelivered"}:
            form["RawDlrDoneDate"] = f"{office.now():%y%m%d%H%M}"
        await office.callback(message, url, form)
    await office.stay(message, status)


async def text(office: Office, message: Message, url: str, opt_out_type: str) -> Sent:
    """A person's message, handed to the hook."""
    form = {
        "MessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsMessageSid": message.sid,
        "AccountSid": office.account_sid,
        "From": message.from_,
        "To": message.to,
        "Body": message.body,
        "NumMedia": "0",
        "NumSegments": str(segments(message.body)),
        "SmsStatus": "received",
        "ApiVersion": API,
    }
    if opt_out_type:
        form["OptOutType"] = opt_out_type
    sent = await office.fetch(url, form, forged=office.callbacks == "forged")
    if not sent.is_good and office.callbacks != "forged":
        office.fault(11200, f"message hook {url}: {sent.status or sent.error}", message.sid)
    return sent
