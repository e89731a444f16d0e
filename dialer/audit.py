"""`dialer audit`: whether the record is as it was sealed. Reads only.

Every sealed row is compared with its digest, the digests with their seals, the seals with each other and with the
noted ends of the chains. What is missing, changed, or stands where nothing can have come, is told with table and id.
"""

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel

from dialer.audit_rows import Counted, Look
from dialer.erased import Erased, explained
from dialer.errors import DialerError
from dialer.record import seal_hash
from dialer.store import Tx
from dialer.store import record as record_store
from dialer.store.types import EPOCH, MICROSECOND

PAGE = 5_000
FINDINGS_MAX = 1_000
"""Findings that are told one by one; the rest is counted."""
HEAD_CHARS = 12
"""So much of a hash must be given at least."""


class Finding(BaseModel):
    """One thing that is not as it was sealed."""

    table: str
    id: int | None
    """Null: it concerns no single row."""
    text: str


class Head(BaseModel):
    """Where a chain ends. Kept outside, it proves later that nothing before it was rewritten."""

    chain: str
    number: int
    """How many seals the chain has."""
    hash: str
    at: datetime
    """When it was sealed, lender time."""


class HeadReport(BaseModel):
    """`dialer audit head --json`."""

    heads: list[Head]
    """Usually one: a worker's first seal holds the earlier chains' ends. Empty: nothing is sealed yet."""


class TableReport(BaseModel):
    """One sealed table, in rows."""

    table: str
    sealed: int
    """As they were sealed."""
    erased: int
    """Erased by `purge` or `forget`, wholly or in part; the seals still hold what they were."""
    waiting: int
    """Not sealed yet: the daemon seals each minute."""


class Audit(BaseModel):
    """`dialer audit verify --json`."""

    intact: bool
    wrong: int
    """How many findings there are; the first thousand follow."""
    findings: list[Finding]
    tables: list[TableReport]
    seals: int
    chains: int
    heads: list[Head]
    held: str | None
    """The seal that `--head` names; null where none was asked for, or it is not there."""


class _Verifier:
    """One look through the whole record, in one snapshot."""

    def __init__(self, tx: Tx, now: datetime) -> None:
        self._tx, self._now = tx, now
        self._findings: list[Finding] = []
        self._wrong = 0
        self._seals = 0

    def run(self, head: str | None, local: Callable[[datetime], datetime]) -> Audit:
        counted = self._rows(self._erased())
        ends = self._chains()
        self._ends(ends)
        held = self._held(head) if head else None
        return Audit(
            intact=not self._wrong,
            wrong=self._wrong,
            findings=self._findings,
            tables=[TableReport(table=kind, **one.told()) for kind, one in counted.items()],
            seals=self._seals,
            chains=len(ends),
            heads=heads(self._tx, local),
            held=held,
        )

    def _tell(self, table: str, key: int | None, text: str) -> None:
        self._wrong += 1
        if len(self._findings) < FINDINGS_MAX:
            self._findings.append(Finding(table=table, id=key, text=text))

    def _erased(self) -> dict[str, Erased]:
        rows = record_store.erasures(self._tx)
        found, wrong = explained(rows, {row.action_id: str(row.detail) for row in rows})
        for key, why in wrong.items():
            self._tell("erasures", key, why)
        return found

    def _rows(self, erased: dict[str, Erased]) -> dict[str, Counted]:
        found = {}
        for kind in record_store.TABLES:
            look = Look(self._tx, kind, erased.get(kind, Erased()), self._now, self._tell)
            found[kind] = look.run()
        return found

    def _chains(self) -> dict[str, tuple[int, str]]:
        """Each seal against its parts and its parents. chain → (last number, its hash)."""
        ends: dict[str, tuple[int, str]] = {}
        roots: dict[str, list[tuple[int, str]]] = {}
        for seal, parts in record_store.seals(self._tx, PAGE):
            self._seals += 1
            where = f"seal {seal.number} of chain {seal.chain}"
            parents = str(seal.parents).split()
            words = [(part.kind, part.first_id, part.last_id, part.rows, part.root) for part in parts]
            if seal.hash != seal_hash(seal.version, seal.chain, seal.number, seal.at, parents, words):
                self._tell("seals", seal.seal_id, f"{where}: changed after it was made")
            if seal.version not in record_store.COLUMNS:
                self._tell("seals", seal.seal_id, f"{where}: its version is not known")
            number, before = ends.get(seal.chain, (0, ""))
            if not isinstance(seal.number, int):
                continue
            if seal.number != number + 1:
                self._tell("seals", None, f"chain {seal.chain}: {_missing(number + 1, seal.number - 1)}")
            elif number and parents != [before]:
                self._tell("seals", seal.seal_id, f"{where}: does not follow seal {number}")
            elif not number:
                for parent in parents:
                    roots.setdefault(parent, []).append((seal.seal_id, where))
            ends[seal.chain] = (seal.number, seal.hash)
        for parent in roots.keys() - record_store.hashes(self._tx, roots):
            for key, where in roots[parent]:
                self._tell("seals", key, f"{where}: follows a seal that is not there any more ({parent[:12]}…)")
        return ends

    def _ends(self, ends: dict[str, tuple[int, str]]) -> None:
        """A chain that was cut short ends before the end that was noted with its last seal."""
        noted = record_store.ends(self._tx)
        for chain, end in noted.items():
            number, hash_ = ends.get(chain, (0, ""))
            if number < end.number:
                self._tell("seals", None, f"chain {chain}: its end was cut off, {_missing(number + 1, end.number)}")
            elif (number, hash_) != (end.number, end.hash):
                self._tell("heads", None, f"chain {chain}: its end was noted as another one")
        for chain in ends.keys() - noted.keys():
            self._tell("heads", None, f"chain {chain}: its end was noted, and is not there any more")

    def _held(self, head: str) -> str | None:
        seal = record_store.seal_of(self._tx, head)
        if seal is None:
            text = f"no seal has the hash {head}: the record was rewritten or cut since, or it is another database's"
            self._tell("seals", None, text)
            return None
        return f"seal {seal.number} of chain {seal.chain}"


def no_hash(head: str) -> str:
    """What is wrong with the hash of a head; empty: nothing."""
    if len(head) >= HEAD_CHARS and set(head.lower()) <= set("0123456789abcdef"):
        return ""
    return f'"{head}" is no hash; accepted: what `dialer audit head` printed, {HEAD_CHARS} digits or all'


def verify(
    tx: Tx, now: datetime, head: str | None, local: Callable[[datetime], datetime] = lambda at: at
) -> Audit:  # fmt: skip
    """Looks through the whole record. `head`: a hash that was kept outside, which some seal must have.

    Raises DialerError where `head` is no hash.
    """
    if head is not None and (wrong := no_hash(head)):
        raise DialerError(f"--head: {wrong}")
    return _Verifier(tx, now).run(head and head.lower(), local)


def heads(tx: Tx, local: Callable[[datetime], datetime] = lambda at: at) -> list[Head]:
    """The ends of the chains that no later chain holds."""
    found = []
    for chain, end in record_store.ends(tx).items():
        seal = None if end.joined else record_store.seal_of(tx, end.hash)
        if seal is not None:
            at = local(EPOCH + seal.at * MICROSECOND)
            found.append(Head(chain=chain, number=end.number, hash=end.hash, at=at))
    return found


def _missing(first: int, last: int) -> str:
    return f"seal {first} is missing" if first >= last else f"seals {first} to {last} are missing"
