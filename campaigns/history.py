"""The contacts of a batch of persons, found by person and by number: what caps and cool-offs count."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter

from campaigns.model import Contact

_AT = attrgetter("at")


class History:
    """Contacts, oldest first. One that is added counts for all that ask later."""

    def __init__(self, contacts: Iterable[Contact] = ()) -> None:
        self._of_person: dict[str, list[Contact]] = defaultdict(list)
        self._of_phone: dict[str, list[Contact]] = defaultdict(list)
        self._sharing: dict[str, set[str]] = defaultdict(set)
        for one in sorted(contacts, key=_AT):
            self.add(one)

    def add(self, one: Contact) -> None:
        """Adds what comes after all that is known of its person and number."""
        self._of_person[one.person].append(one)
        if one.phone:
            self._of_phone[one.phone].append(one)
            self._sharing[one.phone].add(one.person)

    def of(self, person: str, phone: str) -> Sequence[Contact]:
        """The person's contacts, and those of others on the same number."""
        mine = self._of_person.get(person, ())
        if self._sharing.get(phone, set()) <= {person}:
            return mine
        others = [one for one in self._of_phone[phone] if one.person != person]
        return sorted([*mine, *others], key=_AT)
