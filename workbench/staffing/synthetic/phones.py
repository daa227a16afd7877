"""Phones: fictitious US numbers, distinct for everybody."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.texts import join, words

CANDIDATE_PEOPLE = 6_000_000
CLIENT_PEOPLE = 6_900_000

# US area codes in service (North American Numbering Plan, typed in 2026 from memory: a wrong one does no harm).
# 555-0100 … 555-0199 is set aside for fiction in each of them.
_IN_SERVICE = (
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 220, 223, 224, 225,
    227, 228, 229, 231, 234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 272, 274, 276,
    279, 281, 283, 301, 302, 303, 304, 305, 307, 308, 309, 310, 312, 313, 314, 315, 316, 317, 318, 319, 320,
    321, 323, 325, 326, 327, 329, 330, 331, 332, 334, 336, 337, 339, 341, 346, 347, 350, 351, 352, 353, 360,
    361, 363, 364, 369, 380, 385, 386, 401, 402, 404, 405, 406, 407, 408, 409, 410, 412, 413, 414, 415, 417,
    419, 423, 424, 425, 430, 432, 434, 435, 436, 440, 442, 443, 445, 447, 448, 458, 463, 464, 469, 470, 472,
    475, 478, 479, 480, 484, 501, 502, 503, 504, 505, 507, 508, 509, 510, 512, 513, 515, 516, 517, 518, 520,
    530, 531, 534, 539, 540, 541, 551, 557, 559, 561, 562, 563, 564, 567, 570, 571, 572, 573, 574, 575, 580,
    582, 585, 586, 601, 602, 603, 605, 606, 607, 608, 609, 610, 612, 614, 615, 616, 617, 618, 619, 620, 623,
    626, 628, 629, 630, 631, 636, 640, 641, 645, 646, 650, 651, 656, 657, 659, 660, 661, 662, 667, 669, 678,
    679, 680, 681, 682, 689, 701, 702, 703, 704, 706, 707, 708, 712, 713, 714, 715, 716, 717, 718, 719, 720,
    724, 725, 726, 727, 728, 730, 731, 732, 734, 737, 740, 743, 747, 754, 757, 760, 762, 763, 765, 769, 770,
    771, 772, 773, 774, 775, 779, 781, 785, 786, 801, 802, 803, 804, 805, 806, 808, 810, 812, 813, 814, 815,
    816, 817, 818, 820, 826, 828, 830, 831, 832, 835, 838, 839, 840, 843, 845, 847, 848, 850, 854, 856, 857,
    858, 859, 860, 861, 862, 863, 864, 865, 870, 872, 878, 901, 903, 904, 906, 907, 908, 909, 910, 912, 913,
    914, 915, 916, 917, 918, 919, 920, 925, 928, 929, 930, 931, 934, 936, 937, 938, 940, 941, 943, 945, 947,
    948, 949, 951, 952, 954, 956, 959, 970, 971, 972, 973, 975, 978, 979, 980, 983, 984, 985, 986, 989,
)  # fmt: skip

# The fiction range is for the first of each kind: a set of up to 24,000 workers needs no other number. Larger sets run
# over the rest of the 555 exchange, which serves no subscribers (1212 is directory assistance), in every area code that
# is neither a service code (N11) nor 555, toll-free or premium: enough for seven million more.
_FICTION = {0: 24_000, CANDIDATE_PEOPLE: 6_000, CLIENT_PEOPLE: 400}
_FICTION_LINES = tuple(range(100, 200))
_NOT_AREAS = frozenset({555, 700, 800, 833, 844, 855, 866, 877, 888, 900})
_AREAS = tuple(area for area in range(201, 990) if area % 100 != 11 and area not in _NOT_AREAS)
_LINES = tuple(line for line in range(200, 10_000) if line != 1212)
_PLAN = Draws(0)


def phones(draws: Draws, people: Ints) -> Any:
    """Numbers in the formats people type, distinct for people 0 … 7 million whatever the seed (see ``_FICTION``)."""
    fiction, number = _numbered(people)
    area, line = _scatter("fiction", np.where(fiction, number, 0), _IN_SERVICE, _FICTION_LINES)
    far_area, far_line = _scatter("phone", people, _AREAS, _LINES)
    area, line = np.where(fiction, area, far_area), np.where(fiction, line, far_line)
    style = draws.weighted("phone style", people, [60, 20, 10, 5, 5])
    return join(
        [
            words(["(", "", "", "+1 ", ""], style),
            words([str(code) for code in range(1_000)], area),
            words([") ", "-", ".", " ", ""], style),
            "555",
            words(["-", "-", ".", " ", ""], style),
            words([f"{number:04d}" for number in range(10_000)], line),
        ]
    )


def _numbered(people: Ints) -> tuple[Flags, Ints]:
    """Who has a number of the fiction range, and the how-manieth of them each one is."""
    number = np.full(len(people), -1, dtype=np.int64)
    before = 0
    for first, count in _FICTION.items():
        mine = (people >= first) & (people < first + count)
        number[mine] = before + people[mine] - first
        before += count
    return number >= 0, number


def _scatter(what: str, numbers: Ints, areas: tuple[int, ...], lines: tuple[int, ...]) -> tuple[Ints, Ints]:
    """Three rounds of a Feistel network: every number has another (area, line), without any order to see."""
    area, line = numbers // len(lines), numbers % len(lines)
    line = (line + _PLAN.below(f"{what} line", area, len(lines))) % len(lines)
    area = (area + _PLAN.below(f"{what} area", line, len(areas))) % len(areas)
    line = (line + _PLAN.below(f"{what} line again", area, len(lines))) % len(lines)
    return np.asarray(areas)[area], np.asarray(lines)[line]
