"""Checksums and shapes that tell an identifier from a number.

Rule of the room: a check takes the matched text as it stands and answers yes or no; it never
raises. Sources: ISO/IEC 7812-1 (Luhn), 45 CFR 162.406 (NPI, Luhn after 80840), DEA number rule,
49 CFR 565.15 (VIN).
"""

import re
from collections.abc import Callable, Mapping

_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def digits(text: str) -> str:
    """Return the ASCII digits of `text`."""
    return "".join(re.findall(r"[0-9]", text))


def luhn(text: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others; 12 to 19 digits."""
    return 12 <= len(digits(text)) <= 19 and _luhn(digits(text))


def npi(text: str) -> bool:
    """Whether ten digits are a National Provider Identifier."""
    number = digits(text)
    return len(number) == 10 and number[0] in "12" and _luhn("80840" + number)


def dea(text: str) -> bool:
    """Whether two letters and seven digits are a DEA registration number."""
    number = digits(text)[-7:]
    if len(number) != 7:
        return False
    first, second = sum(map(int, number[0:6:2])), sum(map(int, number[1:6:2]))
    return (first + 2 * second) % 10 == int(number[6])


def vin(text: str) -> bool:
    """Whether 17 characters are a vehicle number; most makers outside America skip the check."""
    number = text.upper()
    if len(number) != 17 or not any(map(str.isdigit, number)) or number.isdigit():
        return False
    values = [int(_VIN_VALUES.get(letter, letter)) for letter in number if letter not in "IOQ"]
    if len(values) != 17:
        return False
    rest = sum(value * weight for value, weight in zip(values, _VIN_WEIGHTS, strict=True)) % 11
    mixed = sum(map(str.isdigit, number)) >= 4 and sum(map(str.isalpha, number)) >= 4
    return "0123456789X"[rest] == number[8] or mixed


def ssn(text: str) -> bool:
    """Whether nine digits could have been issued as a social security number."""
    number = digits(text)
    return len(number) == 9 and number[:3] not in ("000", "666") and number[5:] != "0000"


def spoken_number(text: str) -> bool:
    """Whether spoken and written digits together are long enough to be somebody's number."""
    return spoken_length(text) >= 6


def day(text: str) -> bool:
    """Whether the numbers of a numeric date can be a day and a month in some order."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    small = [number for number in numbers if number <= 31]
    return len(small) >= 2 and any(1 <= number <= 12 for number in small)


_ONE_DIGIT = re.compile(
    "zero|oh|one|two|three|four|five|six|seven|eight|nine|double|"
    "cero|uno|una|dos|tres|cuatro|cinco|seis|siete|ocho|nueve"
)


def spoken_length(text: str) -> int:
    """Return how many digits the number words and digits of a text stand for, at most."""
    words = re.findall(r"[^\W\d_]+|\d+", text.lower())
    return sum(
        len(word) if word.isdigit() else 1 if _ONE_DIGIT.fullmatch(word) else 2
        for word in words
        if word not in ("dash", "hyphen", "space", "guion")
    )


def _luhn(number: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


#: The names rows of `recognizers.yaml` use.
CHECKS: Mapping[str, Callable[[str], bool]] = {
    "luhn": luhn,
    "npi": npi,
    "dea": dea,
    "vin": vin,
    "ssn": ssn,
    "spoken_number": spoken_number,
    "day": day,
}
