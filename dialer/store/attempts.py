"""Statements of an attempt's life: taken up, placed, moved on, settled."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Numeric, String, bindparam, cast, func, literal_column, select, update

from dialer.store import tables as t
from dialer.store.common import AnyRow, Values, add_missing, in_parts, insert_all, insert_for, insert_rows, put_all
from dialer.store.prepared import Prepared
from dialer.store.record_tables import placements

Tx = Connection
_a = t.attempts.c
_aa = t.attempt_accounts.c
RUNNING = ("placing", "placed", "ringing", "talking", "lost")
IS_RUNNING: ColumnElement[bool] = literal_column(
    "(attempts.check_at IS NOT NULL AND attempts.state IN ('placing', 'placed', 'ringing', 'talking', 'lost'))"
)
"""Written out, not bound, as the partial index wants it."""

IN_FORCE: ColumnElement[bool] = literal_column("(NOT attempt_accounts.cancelled)")
"""An account that was not taken out. In the index's own words: SQLite uses a partial index for no others, and
`~cancelled` becomes `cancelled = 0`."""

_other = t.installments.alias("other")
_oldest = (
    select(func.min(_other.c.due_on))
    .where(_other.c.account_id == _aa.account_id, _other.c.is_open)
    .correlate(t.attempt_accounts)
    .scalar_subquery()
)
"""Of all that is open on the account: how a debt stands is told from it."""
_roster = Prepared(
    select(
        _aa.attempt_id,
        _aa.account_id,
        _aa.installment_id,
        t.accounts.c.name,
        t.accounts.c.language,
        t.accounts.c.pay_to,
        t.accounts.c.consent_voice,
        t.accounts.c.consent_sms,
        t.accounts.c.person_id,
        t.accounts.c.phone,
        t.accounts.c.region,
        t.accounts.c.role,
        t.accounts.c.verify,
        t.accounts.c.checked_on,
        t.installments.c.due_on,
        t.installments.c.amount,
        t.installments.c.paid_amount,
        t.installments.c.currency,
        t.installments.c.is_open,
        t.members.c.stopped,
        _oldest.label("oldest_due_on"),
    )
    .join(t.accounts, t.accounts.c.account_id == _aa.account_id)
    .join(
        t.installments,
        (t.installments.c.account_id == _aa.account_id) & (t.installments.c.installment_id == _aa.installment_id),
    )
    .outerjoin(
        t.members,
        (t.members.c.campaign_id == _aa.campaign_id)
        & (t.members.c.account_id == _aa.account_id)
        & (t.members.c.installment_id == _aa.installment_id),
    )
    .where(_aa.attempt_id.in_(bindparam("ids", expanding=True)), ~_aa.cancelled)
    .order_by(_aa.attempt_id, _aa.account_id)
)


def roster(tx: Tx, attempt_ids: Sequence[int]) -> dict[int, list[AnyRow]]:
    """attempt id → its accounts with what is known of them now."""
    found: dict[int, list[AnyRow]] = {key: [] for key in attempt_ids}
    for part in in_parts(attempt_ids):
        for row in _roster.all(tx, ids=part):
            found[row[0]].append(row)
    return found


_claim = Prepared(
    update(t.attempts)
    .where(_a.attempt_id == bindparam("of"), _a.state == "planned")
    .values(
        state="placing",
        version=bindparam("in_version"),
        line=bindparam("by_line"),
        caller=bindparam("by_caller"),
        worker=bindparam("by_worker"),
        claimed_at=bindparam("at"),
        check_at=bindparam("check"),
        checks=0,
        cost=bindparam("reserved"),
        withdrawn=None,
    )
)
_defer = Prepared(
    update(t.attempts)
    .where(_a.attempt_id == bindparam("of"), _a.state == "planned")
    .values(due_at=bindparam("until"), rule=bindparam("by_rule"))
)
_close = Prepared(
    update(t.attempts)
    .where(_a.attempt_id == bindparam("of"), _a.state == "planned")
    .values(state=bindparam("to"), reason=bindparam("why"), rule=bindparam("by_rule"), settled_at=bindparam("at"))
)


class Overtaken(Exception):
    """A guarded write found another state than the one it was computed from: nothing was written."""


def _guarded(tx: Tx, statement: Prepared, rows: Sequence[Values]) -> None:
    if statement.run_many(tx, rows) != len(rows):
        raise Overtaken(f"{len(rows)} attempts were to move, not all did")


_PLACED = (
    "attempt_id", "campaign_id", "version", "person_id", "phone", "channel", "script", "line", "caller", "worker",
    "claimed_at",
)  # fmt: skip
_note_placements = Prepared(
    placements.insert().from_select(
        _PLACED,
        select(*(_a[name] for name in _PLACED))
        .where(_a.attempt_id.in_(bindparam("ids", expanding=True)))
        .order_by(_a.attempt_id),
    )
)


_last_placement = Prepared(select(func.max(placements.c.placement_id)))


def claim(tx: Tx, rows: Sequence[Values]) -> int:
    """planned → placing: the intent, durable before any provider is spoken to, and noted for the record.

    Returns the id of the record's last placement.
    """
    _guarded(tx, _claim, rows)
    for part in in_parts(row["of"] for row in rows):
        _note_placements.run(tx, ids=part)
    return _last_placement.scalar(tx) or 0


def defer(tx: Tx, rows: Sequence[Values]) -> None:
    _guarded(tx, _defer, rows)


def close(tx: Tx, rows: Sequence[Values]) -> None:
    """planned → blocked or expired."""
    _guarded(tx, _close, rows)


_halt = select(t.flags.c.value).where(t.flags.c.name == "halt").scalar_subquery()
_still = Prepared(
    select(_a.attempt_id, _a.state, _a.worker, _a.claimed_at, _a.withdrawn, _halt, t.campaigns.c.status)
    .outerjoin(t.campaigns, t.campaigns.c.campaign_id == _a.campaign_id)
    .where(_a.attempt_id.in_(bindparam("ids", expanding=True)))
)
ACTIVE = frozenset({"active"})
"""Statuses of campaigns of which something may be placed."""


def last_look(tx: Tx, claims: Mapping[int, datetime], worker: str) -> dict[int, str]:
    """attempt id → why it must not be placed any more; empty: it may. Asked right before placing.

    `claims`: attempt id → when this worker claimed it. Another claim of the same attempt is not ours to place.
    """
    found = dict.fromkeys(claims, "gone")
    for key, state, holder, claimed_at, withdrawn, halt, status in _still.all(tx, ids=list(claims)):
        if (state, holder, claimed_at) == ("placing", worker, claims[key]):
            # A campaign that was paused while the claim was made withdrew nothing: there was nothing yet.
            found[key] = withdrawn or ("halted" if halt is not None else "" if status in ACTIVE else str(status))
    return found


_by_id = Prepared(select(t.attempts).where(_a.attempt_id.in_(bindparam("ids", expanding=True))))


def by_id(tx: Tx, attempt_ids: Iterable[int]) -> dict[int, AnyRow]:
    found: dict[int, AnyRow] = {}
    for part in in_parts(attempt_ids):
        found.update({row.attempt_id: row for row in _by_id.all(tx, ids=part)})
    return found


def add(tx: Tx, attempts: Sequence[Values], accounts: Sequence[Values]) -> None:
    insert_all(tx, t.attempts, attempts)
    insert_all(tx, t.attempt_accounts, accounts)


_last_message = Prepared(
    select(t.attempts)
    .where(_a.phone == bindparam("to"), _a.claimed_at.is_not(None), _a.channel == "sms")
    .where(_a.cause != "confirmation")
    .order_by(_a.claimed_at.desc(), _a.attempt_id.desc())
    .limit(1)
)


def last_message(tx: Tx, phone: str) -> AnyRow | None:
    """The last reminder that was sent to this number as a message, or may have been."""
    return _last_message.first(tx, to=phone)


_refs_to = Prepared(
    select(_a.provider_ref)
    .where(_a.phone == bindparam("to"), _a.claimed_at.is_not(None), _a.claimed_at >= bindparam("since"))
    .where(_a.provider_ref.is_not(None), _a.attempt_id != bindparam("but"))
)


def refs_to(tx: Tx, phone: str, since: datetime, but: int) -> frozenset[str]:
    """The providers' references of the other attempts to this number that were taken up since then."""
    return frozenset(row.provider_ref for row in _refs_to.all(tx, to=phone, since=since, but=but))


def add_once(tx: Tx, attempt: Values, accounts: Sequence[Values]) -> bool:
    """Adds the attempt unless its round and try are there already. False: they are, and nothing was added.

    Whether they are is the database's word (`uq_attempt_accounts_round`), not ours."""
    insert = insert_for(tx.dialect.name, t.attempt_accounts).on_conflict_do_nothing()
    if not tx.execute(insert.returning(t.attempt_accounts.c.account_id), accounts).first():
        return False
    insert_all(tx, t.attempts, [attempt])
    return True


_mine = (bindparam("me", type_=String) == "") | (_a.worker == bindparam("me"))
_running_calls = Prepared(select(_a.line, _a.attempt_id).where(IS_RUNNING, _a.channel == "voice", _mine))


def running_calls(tx: Tx, worker: str = "") -> dict[str, set[int]]:
    """Calls in flight: line → attempt ids. `worker`: only this one's."""
    found: dict[str, set[int]] = {}
    for line, key in _running_calls.all(tx, me=worker):
        found.setdefault(line or "", set()).add(key)
    return found


def add_verdicts(tx: Tx, rows: Sequence[Values]) -> None:
    insert_all(tx, t.verdicts, rows)


_identities = Prepared(select(t.events.c.identity).where(t.events.c.identity.in_(bindparam("given", expanding=True))))


def known_identities(tx: Tx, identities: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for part in in_parts(identities):
        found.update(_identities.scalars(tx, given=part))
    return found


EventRow = tuple[int | None, str, datetime, datetime, str | None, bool, dict[str, Any]]
_EVENT = ("attempt_id", "kind", "at", "received_at", "identity", "stray", "data")


def add_events(tx: Tx, rows: Sequence[EventRow]) -> None:
    """`rows`: attempt id, kind, when it happened, when it was received, identity, whether it is a stray, the rest."""
    insert_rows(tx, t.events, _EVENT, rows)


_spent = Prepared(select(t.spend.c.line, t.spend.c.amount).where(t.spend.c.day == bindparam("on")))


def spent(tx: Tx, day: date) -> dict[str, Decimal]:
    """line → spent on that day (lender time), reservations included."""
    return {row[0]: row[1] for row in _spent.all(tx, on=day)}


def _adding(dialect: str) -> Any:
    """PostgreSQL: workers add at the same time. SQLite has no exact decimals, and one writer."""
    insert = insert_for(dialect, t.spend)
    total = cast(t.spend.c.amount, Numeric) + cast(insert.excluded.amount, Numeric)
    given = {column.name: bindparam(column.name, type_=column.type) for column in t.spend.columns}
    return insert.values(given).on_conflict_do_update(
        index_elements=["line", "day"], set_={"amount": cast(func.greatest(total, 0), String)}
    )


_add_spend = Prepared(_adding)


def add_spend(tx: Tx, day: date, amounts: Mapping[str, Decimal], known: Mapping[str, Decimal] | None = None) -> None:
    """Adds to (or, negative, takes back from) what the lines spent that day. `known`: what `spent` said just now."""
    if not any(amounts.values()):
        return
    if tx.dialect.name == "postgresql":
        # What is taken back of a day without a row meets one: only what meets a row stays at least nothing.
        taken_back = [line for line, amount in sorted(amounts.items()) if amount < 0]
        add_missing(tx, t.spend, [(line, day, Decimal(0)) for line in taken_back])
        _add_spend.run_many(
            tx, [{"line": line, "day": day, "amount": amount} for line, amount in sorted(amounts.items())]
        )
        return
    known = spent(tx, day) if known is None else known
    rows = [
        {"line": line, "day": day, "amount": max(known.get(line, Decimal(0)) + amount, Decimal(0))}
        for line, amount in amounts.items()
    ]
    put_all(tx, t.spend, rows)


def lines(tx: Tx) -> dict[str, AnyRow]:
    return {row.line: row for row in tx.execute(select(t.lines))}


def save_lines(tx: Tx, rows: Sequence[Values]) -> None:
    """Where the pace stands, so that a restart goes on from the last placement."""
    put_all(tx, t.lines, rows)


def steps_heard(tx: Tx, attempt_id: int) -> int:
    """How many steps of this attempt's dialogue were recorded."""
    e = t.events.c
    rows = tx.execute(select(e.identity).where(e.attempt_id == attempt_id)).scalars()
    return sum(1 for identity in rows if identity and identity.startswith(f"{attempt_id}/step/"))
