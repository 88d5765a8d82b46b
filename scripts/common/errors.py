# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a file that a tool was given, or with the place it runs in."""

SHOWN_N = 40


class InputError(Exception):
    """A file that is not fit. str(): file, line if there is one, what is wrong, and what to do, for the user."""

    def __init__(self, file: object, why: str, remedy: str = "Correct it", line: int = 0):
        self.file, self.why, self.remedy, self.line = str(file), why, remedy, line
        where = f"{file}, line {line}" if line else f"{file}"
        super().__init__(f"{where}: {why}. {remedy}.")


class NoFirmwareError(Exception):
    """A tool needs the firmware's own code, and it is not here."""

    def __init__(self):
        super().__init__("The firmware's sources are not here. Run this from the source tree.")


def shown(text: object) -> str:
    """A piece of a file, in quotation marks: short, in one line, and nothing in it that a terminal would obey."""
    plain = "".join(c if c.isprintable() else "?" for c in str(text)[: SHOWN_N + 1])
    return f'"{plain[:SHOWN_N]}…"' if len(plain) > SHOWN_N else f'"{plain}"'
