"""Which packs apply to whom: the house's and the campaign's always, those of a person's region and of the number's
country, and those of the line. One book serves a campaign; each combination is merged once.
"""

from collections.abc import Iterable, Mapping, Sequence

from campaigns.rules import AnyRule, Pack
from campaigns.ruleset import Ruleset, binds_reminders, merge

_TERRITORIES = {"PR": "US", "GU": "US", "VI": "US", "AS": "US", "MP": "US"}
"""Parts of a country that have a code of their own (ISO 3166) and federal law in common."""


class Rulebook:
    """All packs that are known, and how they bind one campaign. Without packs (tests) any jurisdiction is known.

    A pack named like a region in small letters is that jurisdiction's: `us` is the country's, `us-ma` adds to it.
    """

    def __init__(
        self,
        packs: Mapping[str, Pack],
        always: Sequence[str],
        actor: str,
        grade_m: Iterable[str] = (),
        relaxed: Iterable[str] = (),
    ) -> None:
        """`always`: names of the house's and the campaign's packs. Raises ValueError where one id has two meanings."""
        self._packs, self._always, self._actor = packs, tuple(dict.fromkeys(always)), actor
        self._grade_m, self._relaxed = frozenset(grade_m), frozenset(relaxed)
        self._known: dict[tuple[tuple[str, ...], str, tuple[str, ...]], Ruleset] = {}
        self.everywhere = self._merge(self._always, "")
        """What binds the campaign wherever a person is."""

    def of(self, regions: tuple[str, ...], country: str, more: tuple[str, ...] = ()) -> Ruleset:
        """The rules for persons of these regions (as the file says them, e.g. US-MA; empty: not said) on a number of
        this country, with `more` packs by name: those of the line."""
        key = (regions, country, more)
        if (known := self._known.get(key)) is None:
            names, unknown = self._jurisdictions(regions, country)
            try:
                known = self._merge((*self._always, *names, *more), unknown)
            except ValueError as error:  # one id with two meanings: nobody knows which holds for these persons
                known = self._merge(self._always, f"which rules hold: {error}")
            self._known[key] = known
        return known

    def packs_of(self, regions: tuple[str, ...], country: str, more: tuple[str, ...] = ()) -> list[Pack]:
        """The packs that `of` merges, in their order: whose law applies."""
        names, _ = self._jurisdictions(regions, country)
        return self._packs_named((*self._always, *names, *more))

    def rule(self, rule_id: str) -> AnyRule | None:
        """A rule of any pack, in force here or not; None where no pack has it."""
        return next((rule for pack in self._packs.values() for rule in pack.rules if rule.id == rule_id), None)

    def knows(self, place: str) -> bool:
        """Whether there is a pack for this country or region, or for a whole that it is part of."""
        return any(name in self._packs for name in _wholes(place))

    def knows_part_of(self, country: str) -> bool:
        """Whether there is a pack for a country, or for any part of it."""
        return self.knows(country) or any(name.startswith(f"{country.lower()}-") for name in self._packs)

    @property
    def stop_words(self) -> frozenset[str]:
        """Texts that mean stop, by any pack: whoever writes one means it."""
        found = [self._merge((name,), "").stop_words for name in self._packs]
        return frozenset().union(*found)

    def _jurisdictions(self, regions: tuple[str, ...], country: str) -> tuple[list[str], str]:
        """Names of the packs, and what is not known among them."""
        told = [region for region in regions if region]
        countries = {_country(region) for region in told}
        # A number's country says less than a region in it: Ontario's law is known though Canada as a whole is not.
        places = [*told, *([country] if country and _country(country) not in countries else [])]
        unknown = next((place for place in places if not self.knows(place)), "")
        names = [name for place in [*places, country] for name in _wholes(place) if name in self._packs]
        return [*dict.fromkeys(names)], unknown or ("" if places else "where the person is")

    def _merge(self, names: Iterable[str], unknown: str) -> Ruleset:
        return merge(self._packs_named(names), self._actor, self._grade_m, self._relaxed, unknown)

    def _packs_named(self, names: Iterable[str]) -> list[Pack]:
        return [self._packs[name] for name in dict.fromkeys(names) if name in self._packs]

    def in_force(self, rule: AnyRule) -> bool:
        """Whether a rule can hold for this actor's reminders at all, given the settings."""
        return binds_reminders(rule, self._actor, self._grade_m, self._relaxed)


def _country(place: str) -> str:
    country = place.partition("-")[0]
    return _TERRITORIES.get(country, country)


def _wholes(place: str) -> list[str]:
    """`US-NY-NYC` → us, us-ny, us-ny-nyc."""
    parts = place.split("-") if place else []
    found = ["-".join(parts[:count]).lower() for count in range(1, len(parts) + 1)]
    return [_country(place).lower(), *found] if parts else []
