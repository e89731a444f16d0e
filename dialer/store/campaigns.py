"""Statements about campaigns, their frozen files, and their members."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from dialer.store import tables as t
from dialer.store.common import Values, add_missing, in_parts
from dialer.store.database import Tx
from dialer.store.prepared import Prepared


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A launched campaign and the version of its file in force."""

    campaign_id: int
    name: str
    status: str
    version: int
    digest: str
    changed_at: datetime
    """When it was launched, or paused or resumed since."""
    planned_at: datetime | None
    """When this version was last planned to its end; None: it was not yet."""


_rows = select(
    t.campaigns.c.campaign_id,
    t.campaigns.c.name,
    t.campaigns.c.status,
    t.campaigns.c.version,
    t.versions.c.digest,
    t.campaigns.c.changed_at,
    t.campaigns.c.planned_at,
).join(
    t.versions,
    (t.versions.c.campaign_id == t.campaigns.c.campaign_id) & (t.versions.c.version == t.campaigns.c.version),
)


_every = Prepared(_rows.order_by(t.campaigns.c.campaign_id))


def planned_since(tx: Tx) -> datetime | None:
    """Since when every campaign that is not cancelled is planned to its end; None: one is not."""
    planned = tx.execute(select(t.campaigns.c.planned_at).where(t.campaigns.c.status != "cancelled")).scalars().all()
    return None if not planned or None in planned else min(at for at in planned if at)


def every(tx: Tx) -> list[CampaignRow]:
    return [CampaignRow(*row) for row in _every.all(tx)]


def named(tx: Tx, name: str) -> CampaignRow | None:
    row = tx.execute(_rows.where(t.campaigns.c.name == name)).first()
    return CampaignRow(*row) if row else None


def text_of(tx: Tx, campaign_id: int, version: int) -> str:
    """The frozen file's text. Raises if there is no such version: then the database is not ours."""
    row = tx.execute(
        select(t.versions.c.text).where(t.versions.c.campaign_id == campaign_id, t.versions.c.version == version)
    ).scalar_one()
    return str(row)


def launch(tx: Tx, name: str, text: str, digest: str, path: str, now: datetime) -> CampaignRow:
    """A new campaign, or a new version of the one with this name."""
    known = named(tx, name)
    version = known.version + 1 if known else 1
    if known is None:
        values = {"name": name, "status": "active", "version": 1, "launched_at": now, "changed_at": now}
        tx.execute(t.campaigns.insert(), values)
        key = tx.execute(select(t.campaigns.c.campaign_id).where(t.campaigns.c.name == name)).scalar_one()
    else:
        key = known.campaign_id
        fresh = {"version": version, "changed_at": now, "planned_at": None}
        tx.execute(update(t.campaigns).where(t.campaigns.c.campaign_id == key).values(**fresh))
    frozen = {"campaign_id": key, "version": version, "digest": digest, "text": text, "path": path, "launched_at": now}
    tx.execute(t.versions.insert(), frozen)
    return CampaignRow(key, name, known.status if known else "active", version, digest, now, None)


def set_status(tx: Tx, name: str, status: str, now: datetime) -> None:
    tx.execute(update(t.campaigns).where(t.campaigns.c.name == name).values(status=status, changed_at=now))


def set_planned(tx: Tx, versions: Mapping[int, int], now: datetime) -> None:
    """Notes that these versions of campaigns, campaign id → version, were planned to their end. One that another has
    followed meanwhile says nothing of that."""
    c = t.campaigns.c
    for key, version in sorted(versions.items()):
        tx.execute(update(t.campaigns).where(c.campaign_id == key, c.version == version).values(planned_at=now))


def add_members(tx: Tx, campaign_id: int, rows: Sequence[tuple[str, str, dict[str, int]]], now: datetime) -> None:
    """Freezes late counts, (account id, installment id, counts); a member that is known keeps its own."""
    add_missing(tx, t.members, [(campaign_id, *row, now, None, None) for row in rows])


_m = t.members.c
_members = Prepared(
    select(_m.account_id, _m.installment_id, _m.late, _m.stopped, _m.paused_until).where(
        _m.campaign_id == bindparam("campaign"), _m.account_id.in_(bindparam("accounts", expanding=True))
    )
)


def members(
    tx: Tx, campaign_id: int, account_ids: Iterable[str]
) -> dict[tuple[str, str], tuple[dict[str, int], str, datetime]]:
    """(account, installment) → (late counts by months as text, stopped, paused until), of these accounts."""
    return {
        (row[0], row[1]): (row[2], row[3], row[4])
        for part in in_parts(account_ids)
        for row in _members.all(tx, campaign=campaign_id, accounts=part)
    }


_mark = update(t.members).where(
    t.members.c.campaign_id == bindparam("of_campaign"),
    t.members.c.account_id == bindparam("of_account"),
    t.members.c.installment_id == bindparam("of_installment"),
)


_stop = Prepared(_mark.values(stopped=bindparam("outcome")))
_pause = Prepared(_mark.values(paused_until=bindparam("until")))


def stop_members(tx: Tx, rows: Sequence[Values]) -> None:
    """Ends the rest of the rounds: rows of of_campaign, of_account, of_installment, outcome."""
    _stop.run_many(tx, rows)


def pause_members(tx: Tx, rows: Sequence[Values]) -> None:
    """Rows of of_campaign, of_account, of_installment, until."""
    _pause.run_many(tx, rows)
