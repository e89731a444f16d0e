"""The gate once more, in the most direct way: no intervals, no caches, no early ends. Slow, for comparison only.

It answers one question: does this rule let this attempt through at this instant? Wall clocks are read, contacts are
counted in the period that ends now, days are tried one by one.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from campaigns.gate import Ask, Facts
from campaigns.limits import COUNTED, SHOWN_BY, Period
from campaigns.model import Contact
from campaigns.rules import AnyRule, Cap, Consent, Cooloff, ExclusiveChannel, Party, Ring, Window
from campaigns.window import WEEKDAYS

DAY = timedelta(days=1)
MESSAGES = {"sms_submitted", "sms_sent", "delivered"}


def lets_through(rule: AnyRule, ask: Ask, facts: Facts, now: datetime) -> bool:
    """Whether one rule permits the attempt at `now`."""
    if ask.channel not in rule.channels or not _holds(rule, ask, facts, now.astimezone(ZoneInfo(ask.zones[0])).date()):
        return True
    match rule:
        case Window():
            return _stays_open(rule, ask, now)
        case Cap() | Cooloff() | ExclusiveChannel():
            return all(_has_room(rule, ask, facts, now, account) for account in _accounts(rule, ask))
        case Party():
            return set(ask.roles) <= set(rule.roles)
        case Consent():
            return facts.consent == "yes" or any(
                one.kind == "express_consent" and _in_agreement(one, _day(ask, now), None) for one in facts.agreements
            )
        case Ring():
            return ask.channel != "voice" or ask.lead_s >= rule.min_s
    raise AssertionError(f"{rule.kind} is not part of the comparison")


def _day(ask: Ask, at: datetime) -> date:
    return at.astimezone(ZoneInfo(ask.zones[0])).date()


def _holds(rule: AnyRule, ask: Ask, facts: Facts, day: date) -> bool:
    if rule.effective_from and day < rule.effective_from:
        return False
    if rule.effective_to and day > rule.effective_to:
        return False
    if rule.line_type and ask.line_type not in (*rule.line_type, "", "unknown", "fixed_or_mobile"):
        return False
    if rule.mode and not any(mode in ask.modes for mode in rule.mode):
        return False
    if ask.dues and not any(_is_stage(rule, (day - due).days) for due in ask.dues):
        return False
    if "express_consent" in rule.waive and facts.consent == "yes":
        return False
    return not any(one.kind in rule.waive and _in_agreement(one, day, rule.waive_dates) for one in facts.agreements)


def _is_stage(rule: AnyRule, overdue: int) -> bool:
    if rule.days_past_due:
        low, high = rule.days_past_due.min, rule.days_past_due.max
        if (low is not None and overdue < low) or (high is not None and overdue > high):
            return False
    stage = "pre_due" if overdue <= 0 else "overdue" if overdue <= 90 else "default"
    return not rule.stage or stage in rule.stage


def _in_agreement(one: object, day: date, dates: int | None) -> bool:
    last = one.until or date.max
    if dates is not None:
        last = min(last, one.given_on + (dates - 1) * DAY)
    return one.given_on <= day <= last


def _stays_open(rule: Window, ask: Ask, now: datetime) -> bool:
    """Open now, in every zone, and up to and including the lead's end less a moment."""
    last = now + timedelta(seconds=ask.lead_s)
    step = timedelta(seconds=15)
    instants = [now]
    while instants[-1] + step < last:
        instants.append(instants[-1] + step)
    if last > now:
        instants.append(last - timedelta(microseconds=1))
    zones = ask.zones if rule.zones == "all_candidates" else ask.zones[:1]
    return all(_is_open(rule, at, ZoneInfo(zone)) for at in instants for zone in zones)


def _is_open(rule: Window, at: datetime, zone: ZoneInfo) -> bool:
    """By the wall clock; where it repeats, a window opens at the last and closes at the first reading."""
    local = at.astimezone(zone)
    if (rule.effective_from and local.date() < rule.effective_from) or (
        rule.effective_to and local.date() > rule.effective_to
    ):
        return True
    wall, twin = local.replace(tzinfo=None), local.replace(fold=1 - local.fold)
    repeats = twin.astimezone(UTC) != at.astimezone(UTC) and twin.utcoffset() != local.utcoffset()
    is_repeated = repeats and twin.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
    for entry in rule.open:
        if not (entry.days == "all" or WEEKDAYS[local.weekday()] in entry.days):
            continue
        opens = datetime.combine(local.date(), entry.from_) + timedelta(seconds=rule.guard_s)
        closes = datetime.combine(local.date(), entry.until)
        if not opens <= wall < closes:
            continue
        if is_repeated and local.fold == 0 and _again(zone, opens) and wall >= opens:
            # The opening itself comes again later: it has not opened yet for good.
            continue
        if is_repeated and local.fold == 1 and _again(zone, closes):
            continue
        return True
    return False


def _again(zone: ZoneInfo, wall: datetime) -> bool:
    first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return first.utcoffset() > second.utcoffset()


def _accounts(rule: Cap | Cooloff | ExclusiveChannel, ask: Ask) -> Sequence[str]:
    return ask.whose.accounts or [""] if {"debt", "account"} & set(rule.key) else [""]


def _has_room(rule: Cap | Cooloff | ExclusiveChannel, ask: Ask, facts: Facts, now: datetime, account: str) -> bool:
    mine = [one for one in facts.contacts if _is_mine(rule, ask, facts, one, account)]
    if isinstance(rule, Cap) and rule.armed_by:
        armed = [one.at for one in mine if _shows(one, (rule.armed_by,), ("voice", "sms", "letter", "visit"), True)]
        mine = [one for one in mine if armed and one.at >= min(armed)]
    counts = [one for one in mine if _counts(rule, one)]
    zone = ZoneInfo(ask.zones[0])
    if isinstance(rule, ExclusiveChannel):
        last = counts[-1:]
        return not last or last[0].channel == ask.channel or not _within(rule.period, last[0].at, now, zone)
    if isinstance(rule, Cap) and rule.period.type == "anchored_first":
        return _anchored(rule.period, [one.at for one in counts], now) < rule.max
    maximum = rule.max if isinstance(rule, Cap) else 1
    return sum(1 for one in counts if _within(rule.period, one.at, now, zone)) < maximum


def _is_mine(rule: AnyRule, ask: Ask, facts: Facts, one: Contact, account: str) -> bool:
    if "person" in rule.key and one.person != ask.whose.person:
        return False
    if "number" in rule.key and one.phone != ask.whose.phone:
        return False
    if "campaign" in rule.key and one.campaign != ask.whose.campaign:
        return False
    if account and one.accounts and account not in one.accounts:
        return False
    if rule.pool and one.by and one.by not in rule.pool:
        return False
    day = _day(ask, one.at)
    return not any(a.kind in rule.waive and _in_agreement(a, day, rule.waive_dates) for a in facts.agreements)


def _counts(rule: Cap | Cooloff | ExclusiveChannel, one: Contact) -> bool:
    if isinstance(rule, Cap):
        return _shows(one, rule.count, rule.count_channels or rule.channels, "inbound" in rule.count)
    fallback = ("voice", "sms") if isinstance(rule, ExclusiveChannel) else rule.channels
    return _shows(one, (rule.after.event,), rule.after.channels or fallback, rule.after.direction == "any")


def _shows(one: Contact, events: Sequence[str], channels: Sequence[str], inbound: bool) -> bool:
    if one.channel not in channels:
        return False
    for event in events:
        fits = event in ("placed", "inbound", "notice") or (event in MESSAGES) == (one.channel == "sms")
        if not fits:
            continue
        if not one.event:
            if one.disposition in COUNTED[event]:
                return True
        elif one.direction == "inbound":
            if (inbound and one.event in SHOWN_BY[event]) or (event == "inbound" and one.event in SHOWN_BY["placed"]):
                return True
        elif one.event in SHOWN_BY[event]:
            return True
    return False


def _within(period: Period, at: datetime, now: datetime, zone: ZoneInfo) -> bool:
    """Whether a contact at `at` still lies in the period that ends now."""
    if period.type in ("rolling_elapsed", "anchored_first"):
        return now < at + timedelta(**{period.unit: period.length})
    made, today = at.astimezone(zone).date(), now.astimezone(zone).date()
    if period.type in ("calendar_day", "consecutive_dates"):
        passed = (today - made).days
    elif period.type == "calendar_week":
        passed = ((today - today.weekday() * DAY) - (made - made.weekday() * DAY)).days // 7
    else:
        passed = (today.year - made.year) * 12 + today.month - made.month
    return passed < period.length + (period.day_one == "next")


def _anchored(period: Period, instants: Sequence[datetime], now: datetime) -> int:
    """How many there are in the period that is running: it began with its first contact."""
    length, anchor, count = timedelta(**{period.unit: period.length}), None, 0
    for at in instants:
        if anchor is None or at >= anchor + length:
            anchor, count = at, 0
        count += 1
    return count if anchor is not None and now < anchor + length else 0
