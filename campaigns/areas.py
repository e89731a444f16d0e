"""Which time zones an area code, a state or a province spans: data, each row with its source.

A zone stands for all that keep its hours today: Denver for Boise, New York for Detroit. What is uncertain has more
zones rather than fewer, as each one narrows the permitted hours.

NANPA: the NPA report of the North American Numbering Plan Administrator, columns TIME_ZONE and OVERLAY_COMPLEX (files
of 2018-10-04 and 2026-09-30). tzdata: the comments of zone.tab and of the file northamerica (2026f). 49 CFR 71: the
boundaries of standard time in the United States.
"""

EASTERN, CENTRAL, MOUNTAIN, PACIFIC = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
_ALBERTA = "America/Edmonton"
_BRITISH_COLUMBIA = (
    "America/Vancouver",
    _ALBERTA,
    "America/Creston",
    "America/Dawson_Creek",
    "America/Fort_Nelson",
)
_ONTARIO = ("America/Toronto", "America/Winnipeg", "America/Atikokan")
_QUEBEC = ("America/Toronto", "America/Halifax", "America/Blanc-Sablon")
_LABRADOR = ("America/St_Johns", "America/Goose_Bay")
_SASKATCHEWAN = ("America/Regina", "America/Swift_Current", _ALBERTA, "America/Winnipeg")
_YUKON = ("America/Whitehorse", "America/Dawson")
_NORTHWEST = (_ALBERTA, "America/Inuvik")
_NUNAVUT = (
    "America/Iqaluit",
    "America/Rankin_Inlet",
    "America/Resolute",
    "America/Cambridge_Bay",
    "America/Atikokan",
)

AREA_CODES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    # Area codes of country code 1, all that cover one ground in a row; their zones, those of most people first; source.
    ("219", (CENTRAL, EASTERN), "NANPA: EC, Indiana"),
    ("574", (EASTERN, CENTRAL), "NANPA: EC, Indiana"),
    ("812 930", (EASTERN, CENTRAL), "NANPA: 812 EC, Indiana; 930 is its overlay"),
    ("270 364", (CENTRAL, EASTERN), "NANPA: EC, Kentucky"),
    ("606", (EASTERN, CENTRAL), "NANPA: EC, Kentucky"),
    ("423 729", (EASTERN, CENTRAL), "NANPA: EC, Tennessee"),
    ("931", (CENTRAL, EASTERN), "NANPA: EC, Tennessee"),
    ("850 448", (CENTRAL, EASTERN), "NANPA: EC, Florida"),
    ("906", (EASTERN, CENTRAL), "NANPA: EC, Michigan"),
    ("334", (CENTRAL, EASTERN), "Alabama is Central by 49 CFR 71; Phenix City, Lanett and Valley keep Eastern"),
    ("308", (CENTRAL, MOUNTAIN), "NANPA: CM, Nebraska"),
    ("402 531", (CENTRAL, MOUNTAIN), "NANPA: C; by 49 CFR 71.7 the line runs through Cherry County, Nebraska"),
    ("605", (CENTRAL, MOUNTAIN), "NANPA: CM, South Dakota"),
    ("701", (CENTRAL, MOUNTAIN), "NANPA: CM, North Dakota"),
    ("620", (CENTRAL, MOUNTAIN), "NANPA: CM, Kansas"),
    ("785", (CENTRAL, MOUNTAIN), "NANPA: CM, Kansas"),
    ("915", (MOUNTAIN, CENTRAL), "NANPA: CM, Texas"),
    ("432", (CENTRAL, MOUNTAIN), "NANPA: C; the west of Culberson County, Texas, keeps El Paso's time"),
    ("580", (CENTRAL, MOUNTAIN), "NANPA: C; Kenton, Oklahoma, keeps Mountain"),
    ("208 986", (MOUNTAIN, PACIFIC), "NANPA: 208 MP, Idaho; 986 is its overlay"),
    ("541 458", (PACIFIC, MOUNTAIN), "NANPA: MP, Oregon"),
    ("775", (PACIFIC, MOUNTAIN), "NANPA: Mountain for West Wendover, Nevada"),
    ("928", ("America/Phoenix", MOUNTAIN), "tzdata: Arizona except the Navajo Nation"),
    ("907", ("America/Anchorage", "America/Adak"), "tzdata: the western Aleutians"),
    ("236 250 257 672 778", _BRITISH_COLUMBIA, "tzdata: British Columbia; NANPA: 250's overlays"),
    ("306 474 639", _SASKATCHEWAN, "tzdata: Lloydminster keeps Alberta's time, Creighton and Denare Beach Manitoba's"),
    ("807", _ONTARIO, "NANPA: EC, Ontario; tzdata: Atikokan"),
    ("367 418 581", _QUEBEC, "Quebec, Legal Time Act (T-5.1): Atlantic east of 63° W, the Magdalens, Listuguj"),
    ("709 879", _LABRADOR, "NANPA: NA, Newfoundland and Labrador"),
    ("867", (*_YUKON, *_NORTHWEST, *_NUNAVUT), "NANPA: CMP, the territories; tzdata"),
)
"""Checked and found to lie in one zone: 204, 403, 506, 519, 604, 705, 780, 819 and 902 with their overlays; 435, 505,
520, 575, 760, 859, 865; every code of the Caribbean. 808 serves Midway and Wake too, which have no residents.
"""

STAND_INS: dict[tuple[int, str], str] = {
    # Country code, and a zone that phonenumbers (9.0) names for it though its hours are no longer the country's; by
    # tzdata, the zone that is.
    (7, "Europe/Bucharest"): "Europe/Kaliningrad",
    (52, "America/New_York"): "America/Cancun",
    (211, "Africa/Nairobi"): "Africa/Juba",
    (212, "Atlantic/Canary"): "Africa/Casablanca",
    (213, "Europe/Paris"): "Africa/Algiers",
    (218, "Europe/Bucharest"): "Africa/Tripoli",
    (505, "America/Chicago"): "America/Managua",
    (970, "Europe/Bucharest"): "Asia/Gaza",
}


def _rows(*rows: tuple[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {part: zones for parts, zones in rows for part in parts.split()}


PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    # Parts of a country by ISO 3166-2, without the country; the zone of most people first.
    # 49 CFR 71 and tzdata. The law's zones only: towns that keep a neighbour's time are told by their area code.
    "US": _rows(
        ("CT DC DE GA MA MD ME NC NH NJ NY NY-NYC OH PA RI SC VA VT WV", (EASTERN,)),  # NY-NYC, no ISO code: the city
        ("AL AR IA IL LA MN MO MS OK WI", (CENTRAL,)),
        ("CO MT NM UT WY", (MOUNTAIN,)),
        ("CA WA", (PACIFIC,)),
        ("FL IN KY MI", (EASTERN, CENTRAL)),
        ("TN", (CENTRAL, EASTERN)),
        ("KS ND NE SD TX", (CENTRAL, MOUNTAIN)),
        ("ID", (MOUNTAIN, PACIFIC)),
        ("NV OR", (PACIFIC, MOUNTAIN)),
        ("AZ", ("America/Phoenix", MOUNTAIN)),
        ("AK", ("America/Anchorage", "America/Adak")),
        ("HI", ("Pacific/Honolulu",)),
        ("AS", ("Pacific/Pago_Pago",)),
        ("GU", ("Pacific/Guam",)),
        ("MP", ("Pacific/Saipan",)),
        ("PR", ("America/Puerto_Rico",)),
        ("VI", ("America/St_Thomas",)),
    ),
    # tzdata; Quebec and Saskatchewan as their area codes above.
    "CA": _rows(
        ("AB", (_ALBERTA,)),
        ("BC", _BRITISH_COLUMBIA),
        ("MB", ("America/Winnipeg",)),
        ("NB", ("America/Moncton",)),
        ("NL", _LABRADOR),
        ("NS", ("America/Halifax", "America/Glace_Bay")),
        ("NT", _NORTHWEST),
        ("NU", _NUNAVUT),
        ("ON", _ONTARIO),
        ("PE", ("America/Halifax",)),
        ("QC", _QUEBEC),
        ("SK", _SASKATCHEWAN),
        ("YT", _YUKON),
    ),
    # tzdata.
    "MX": _rows(
        (
            "AGU CHP CMX COL GRO GUA HID JAL MEX MIC MOR OAX PUE QUE SLP TAB TLA VER ZAC",
            ("America/Mexico_City",),
        ),
        ("BCN", ("America/Tijuana",)),
        ("BCS SIN", ("America/Mazatlan",)),
        ("CAM YUC", ("America/Merida",)),
        ("CHH", ("America/Chihuahua", "America/Ciudad_Juarez", "America/Ojinaga")),
        ("COA NLE TAM", ("America/Monterrey", "America/Matamoros")),
        ("DUR", ("America/Monterrey",)),
        ("NAY", ("America/Mazatlan", "America/Bahia_Banderas")),
        ("ROO", ("America/Cancun",)),
        ("SON", ("America/Hermosillo",)),
    ),
    # tzdata.
    "AU": _rows(
        ("ACT", ("Australia/Sydney",)),
        ("NSW", ("Australia/Sydney", "Australia/Broken_Hill", "Australia/Lord_Howe")),
        ("NT", ("Australia/Darwin",)),
        ("QLD", ("Australia/Brisbane", "Australia/Lindeman")),
        ("SA", ("Australia/Adelaide",)),
        ("TAS", ("Australia/Hobart", "Antarctica/Macquarie")),
        ("VIC", ("Australia/Melbourne",)),
        ("WA", ("Australia/Perth", "Australia/Eucla")),
    ),
    # tzdata.
    "BR": _rows(
        ("DF ES GO MG PR RJ RS SC SP", ("America/Sao_Paulo",)),
        ("AC", ("America/Rio_Branco",)),
        ("AL SE", ("America/Maceio",)),
        ("AM", ("America/Manaus", "America/Eirunepe")),
        ("AP", ("America/Belem",)),
        ("BA", ("America/Bahia",)),
        ("CE MA PB PI RN", ("America/Fortaleza",)),
        ("MS", ("America/Campo_Grande",)),
        ("MT", ("America/Cuiaba",)),
        ("PA", ("America/Belem", "America/Santarem")),
        ("PE", ("America/Recife", "America/Noronha")),
        ("RO", ("America/Porto_Velho",)),
        ("RR", ("America/Boa_Vista",)),
        ("TO", ("America/Araguaina",)),
    ),
}
