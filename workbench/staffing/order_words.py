"""The words of orders: how the trade abbreviates roles, papers and cities, and the small words that say nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Short forms of single words, spelled out before phrases are compared.
SHORT: Mapping[str, str] = {
    "op": "operator", "ops": "operator", "oper": "operator", "opr": "operator", "tech": "technician",
    "mech": "mechanic", "assoc": "associate", "whse": "warehouse", "wh": "warehouse", "whs": "warehouse",
    "gen": "general", "mx": "maintenance", "maint": "maintenance", "rep": "representative", "dev": "developer",
    "devs": "developer", "elec": "electrical", "admin": "administrative", "asst": "assistant", "mfg": "manufacturing",
    "prod": "production", "reg": "registered", "ppl": "people", "person": "people", "guy": "people", "folk": "people",
    "hand": "people", "temp": "people", "attendent": "attendant", "cert": "certification",
    "certificate": "certification", "certified": "certification", "lic": "license", "pharm": "pharmacy",
    "med": "medical", "serv": "service", "custserv": "customer service", "jw": "journeyman", "osha30": "osha 30",
    "osha10": "osha 10", "fl": "forklift", "hilo": "hi lo", "saut": "saute",
}  # fmt: skip

# Phrases beyond the titles and plurals of the packaged roles.
ROLE_ALIASES: Mapping[str, tuple[str, ...]] = {
    "Forklift Operator": (
        "forklift",
        "forklift driver",
        "fork truck driver",
        "fork truck operator",
        "fork driver",
        "lift operator",
        "forklift people",
        "hi lo operator",
        "hi lo",
        "tow motor",
        "reach truck driver",
        "reach driver",
        "reach operator",
        "stand up driver",
        "cherry picker operator",
        "lift truck operator",
        "powered industrial truck operator",
    ),
    "Warehouse Associate": ("warehouse", "warehouse labor", "warehouse help", "warehouse general labor"),
    "Picker": ("selector", "picker packer", "pick people"),
    "Packer": ("pack line", "pack out people", "packing people", "packager"),
    "Loader": (
        "dock",
        "dock worker",
        "dock people",
        "unloader",
        "truck unloader",
        "loader unloader",
        "freight unloader",
        "unload trailer",
        "unload truck",
        "unload container",
        "load truck",
        "load trailer",
    ),
    "Shipping Clerk": ("shipping receiving clerk", "receiving clerk", "shipping receiving"),
    "CNC Operator": ("machinist", "cnc", "cnc programmer", "lathe operator", "mill operator", "cnc people"),
    "Production Worker": (
        "production people",
        "line people",
        "general laborer",
        "laborer",
        "sanitation people",
        "sanitation worker",
        "factory people",
        "production line worker",
    ),
    "Assembler": ("assembly", "assembly people", "assembly technician"),
    "Welder": ("welding people", "welder fitter", "fabricator"),
    "Maintenance Tech": ("maintenance people", "maintenance mechanic", "mechanic", "industrial maintenance technician"),
    "Electrician": ("journeyman electrician", "sparky", "sparkie"),
    "Quality": (
        "inspector",
        "quality people",
        "qa inspector",
        "qc technician",
        "qa technician",
        "quality control inspector",
    ),
    "Safety": ("safety people", "ehs coordinator", "safety manager", "safety representative"),
    "Registered Nurse": ("rn", "nurse", "rn nurse"),
    "Certified Nursing Assistant": ("nursing assistant", "nurse aid", "pca"),
    "Medical Assistant": ("ma", "clinic assistant"),
    "Phlebotomist": ("phleb", "phlebotomy technician"),
    "Administrative Assistant": ("admin", "secretary", "executive admin"),
    "Receptionist": ("front desk receptionist", "reception"),
    "Accounts Payable Clerk": ("accounts payable", "ap people", "accounts payable specialist"),
    "Customer Service Representative": ("customer service", "call center people", "call center representative"),
    "Data Entry Clerk": ("data entry", "data entry operator", "data entry specialist"),
    "Line Cook": ("cook", "grill cook", "prep cook", "kitchen cook"),
    "Dishwasher": ("dish washer", "dish people", "kitchen porter"),
    "Banquet Server": ("waiter", "waitress", "server", "banquet people", "event staff"),
    "Housekeeper": ("house keeper", "housekeeping", "housekeeping people", "room cleaner", "maid"),
    "Front Desk Agent": ("front desk", "front desk clerk", "desk agent", "hotel front desk"),
    "CDL-A Driver": ("cdl driver", "truck driver", "tractor trailer driver", "otr driver", "class a cdl driver"),
    "Delivery Driver": ("driver", "box truck", "class b driver", "cdl b driver", "van driver"),
    "Yard Spotter": ("spotter", "yard driver", "yard hostler", "yard goat driver"),
    "Java Developer": ("java engineer", "java programmer"),
    "JavaScript Developer": ("frontend engineer", "react engineer", "front end developer", "react programmer"),
    "Help Desk Technician": ("help desk", "help desk people", "it support", "desktop technician", "it technician"),
}

# Words that name a role only beside a head count, or when nothing else does.
WEAK_ROLES = frozenset(
    [
        "dock", "quality", "safety", "warehouse", "assembly", "cnc", "front desk", "reception", "housekeeping",
        "customer service", "pack line", "driver", "box truck", "forklift", "hi lo", "tow motor", "ma", "inspector",
        "mechanic", "accounts payable", "data entry", "help desk", "unload trailer", "unload truck", "unload container",
        "load truck", "load trailer", "it support", "desktop support", "shipping receiving",
    ]
)  # fmt: skip

PAPER_ALIASES: Mapping[str, tuple[str, ...]] = {
    "OSHA-30": ("osha 30 card", "osha 30 hour", "osha thirty"),
    "OSHA-10": ("osha 10 card", "osha 10 hour", "osha ten"),
    "Forklift Certification": ("forklift card", "forklift license", "forklift cert", "lift license"),
    "First Aid/CPR": ("first aid", "cpr", "cpr first aid", "first aid and cpr"),
    "Hazmat Handling": ("hazmat", "hazmat handling certification", "hazmat endorsement", "hazmat card"),
    "Lockout/Tagout": ("loto", "loto card", "lock out tag out", "lockout tagout card"),
    "AWS D1.1": ("d1 1", "aws cert", "d1.1 cert"),
    "Journeyman Electrician": ("journeyman card", "journeyman license", "journeyman", "journeyman electrician card"),
    "EPA 608": ("epa", "epa card", "epa universal"),
    "Six Sigma Green Belt": ("green belt", "six sigma"),
    "BLS Card": ("bls", "bls certification"),
    "ACLS Card": ("acls", "acls certification"),
    "RN License": ("registered nurse license",),
    "CNA Certificate": ("cna license", "cna certification"),
    "TIPS Alcohol": ("tips", "tips card", "tips certification", "tips alcohol card"),
    "ServSafe": ("serv safe", "servsafe card", "food handler card"),
    "CDL-A": ("class a cdl", "cdl class a", "class a license"),
    "CDL-B": ("class b cdl", "cdl class b", "class b license"),
    "DOT Medical Card": ("dot card", "dot medical", "medical card", "dot physical"),
    "TWIC": ("twic card",),
    "CompTIA A+": ("comptia", "a+ certification"),
    "Oracle Java SE": ("java se", "java certification"),
}
SKILL_ALIASES: Mapping[str, tuple[str, ...]] = {
    "reach truck": ("reach",),
    "Haas controls": ("haas",),
    "Fanuc controls": ("fanuc",),
    "RF scanner": ("rf gun", "scanner"),
    "bilingual Spanish": ("spanish speaking", "speaks spanish", "spanish"),
    "bilingual Polish": ("polish speaking",),
}
GENERAL_SKILLS = (
    "bilingual Spanish", "bilingual Polish", "bilingual Arabic", "team lead", "overtime", "heavy lifting",
    "own transportation", "basic Excel", "trainer", "sign language",
)  # fmt: skip

CITY_ALIASES: Mapping[str, tuple[str, ...]] = {
    "Chicago": ("chi", "chgo", "chitown"),
    "Indianapolis": ("indy", "indpls"),
    "Milwaukee": ("mke",),
    "South Bend": ("s. bend", "s bend", "so. bend", "so bend"),
    "Cleveland": ("cle",),
    "Louisville": ("l'ville", "lville"),
    "Grand Rapids": ("gr",),
    "Kansas City": ("kc",),
    "Fort Wayne": ("ft wayne", "ft. wayne"),
    "Fort Worth": ("ft worth", "ft. worth"),
    "Cincinnati": ("cincy",),
    "St. Louis": ("st louis", "saint louis", "stl"),
    "Bowling Green": ("b.g.",),
    "San Antonio": ("san antone",),
    "Nashville": ("nash",),
}

# Who we are not asked to choose by. Such a wish is shown and never used.
PROTECTED = re.compile(
    r"""(?ix) \b(?:
      (?:young(?:er)?|old(?:er)?|mature)\s+(?:guys?|men|man|women|girls?|people|ppl|crowd|team|workers?|kids?)
    | (?:nobody|no\s*one|noone|anyone|not|no|none)\s+(?:over|above|under|older\s+than|younger\s+than)
        \s+(?:age\s+)?\d\d
    | (?:no\s+)?(?:fe)?males?(?:\s+only)? | (?:wo)?men\s+only | only\s+(?:wo)?men | ladies
    | girls?\s+only | no\s+(?:wo)?men
    | (?:only\s+)?(?:white|black|hispanic|latino|mexican|asian|american[- ]born|native\s+born|christian|muslim|jewish)s?
        (?:\s+only|\s+(?:guys|people|workers|women|men))?
    | (?:not|no|nobody)\s+pregnant
    )\b"""
)
LAST_TIME = re.compile(
    r"""(?ix) \b(?:not|no|nobody|no\s*one|none|never|without|except|(?:do\s+not|don'?t)\s+(?:send|want)
      |(?:any|every)(?:one|body)\s+(?:but|except))
      (?:[ \t]+(?:of|the|any|send|us|me|those|these|same|from|again))*? [ \t]+
      (?:guys?|ones?|people|ppl|crew|folks|team|men|bunch|lot|workers?|group|we\s+had
        |you\s+sent|same|from
        |who\s+(?:came|worked))
      (?:[ \t]+(?!not\b)[a-z']+){0,4}? [ \t]+
      (?:last\s+(?:time|week|month|year|job|order|one)|before|previously)\b
    | \bnot\s+the\s+same\s+(?:guys?|ones?|people|ppl|crew|folks|team|bunch)
      (?:[ \t]+(?:again|as\s+last\s+(?:time|week)))?\b"""
)

GREETING = re.compile(
    r"(?im)^[ \t]*(?:hi|hello|hey|dear|good\s+(?:morning|afternoon|day)|morning|all|team)\b[^\n,!.:-]{0,25}[,!.:-]"
)
CLOSING = re.compile(
    r"(?im)(?:^[ \t]*(?:thanks?(?:\s+(?:you|so\s+much|again|a\s+lot))?|thx|best(?:\s+regards)?|regards|kind\s+regards"
    r"|cheers|sincerely|br)\b[ \t]*[,!.]?[ \t]*$)|(?:^[ \t]*(?:--+|sent\s+from\s+my\b[^\n]*)$)"
)
HEADER = re.compile(r"(?im)^[ \t]*(?:(?:subject|to|cc|sent)[ \t]*:[^\n]*|(?:fw|fwd|re):[^\n]*|>[^\n]*)$")

# Words that leave nothing ununderstood behind when all around them was read.
GLUE = frozenset(
    re.findall(
        r"\S+",
        """
    a about add additional again all also am an and another any anybody anyone are as asap at available back be
    been but by call can card cards certificate certified could cover current do each experience extra fill first
    for free from get give go good got had hand has have having he hello help her here hi him his hour hours how
    hr i if in is it its job just keep know knows like line location looking lot made make may me more morning
    must my name need needed needing needs new next not note of ok okay on one only or order our out over pay
    people per person please pls plz possible ppl qty rate ready real regards required rqd send shift shifts short
    should site so some someone somebody staff start starting starts still such sure team thank thanks that the
    their them then there these they this thx till to u up us usual valid vm w want wants was we well were what
    when where which who will with workers would x yes you your begin beginning begins requirements role day plant
    building
        """,
    )
)
