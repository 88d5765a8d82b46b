# SPDX-License-Identifier: Apache-2.0
"""The parts around an ESP32: which of their pins goes where, and what to mind. Facts are from the parts' data sheets.

A part is what somebody holds in the hand. wires: its pins that go to a GPIO, each with the board.py constant that has
its number. supply: its pins that go to 5V, 3V3 or GND.
"""

from typing import NamedTuple

from .boards import Board

NO_PULL = "10 kΩ to GND, also when nothing is connected"  # the firmware switches no pull on there; 34-39 have none


class Wire(NamedTuple):
    pin: str
    constant: str
    mind: str
    colour: str
    pull: str = ""  # where its resistor of 10 kΩ goes


class Part(NamedTuple):
    title: str
    kind: str  # one line below the title
    left: bool  # side of the picture
    wires: tuple[Wire, ...]
    supply: tuple[tuple[str, str], ...]  # (pin, 5V | 3V3 | 12V | GND)
    mind: str  # of its supply
    shifter: bool = False


BLUE, AMBER, GREEN, PURPLE, PINK, CYAN = "#2f7de1", "#d99a00", "#15a050", "#8b5cf6", "#e0559a", "#0aa2b5"
RED, BROWN = "#e0413c", "#a5713f"


def bus_wires(board: Board) -> tuple[Wire, ...]:
    """SDA and SCL of the bus display, clock and FRAM share."""
    three = "display, clock and FRAM" if board.constants["FRAM_ADDR"] else "display and clock"
    return (
        Wire("SDA", "I2C_SDA", f"one line for {three}; 4.7 kΩ to 3V3, which most clock modules have", BLUE),
        Wire("SCL", "I2C_SCL", "the same", AMBER),
    )


def parts(board: Board) -> list[Part]:
    """All parts of this board, in the order in which they are shown."""
    known = board.constants
    power = (("VCC", "3V3"), ("GND", "GND"))
    bus = bus_wires(board)
    found = [
        Part(
            "Display 20×4", f"HD44780 + PCF8574, 0x{known['LCD_ADDR']:02X}", True, bus,
            (("VCC", "5V"), ("GND", "GND")),
            "it pulls SDA and SCL up to 5 V: level shifter (BSS138) in both; nothing to read? turn the contrast screw",
            shifter=True,
        ),
        Part("Clock DS3231", "address 0x68", True, bus, power,
             "with CR2032; on modules that charge their battery take the charging diode out first"),
    ]  # fmt: skip
    if known["FRAM_ADDR"]:
        found.append(
            Part("FRAM MB85RC256V", f"address 0x{known['FRAM_ADDR']:02X}", True, bus,
                 (("VCC", "3V3"), ("GND, A0-A2, WP", "GND")), "WP open or to GND, else nothing can be written")
        )  # fmt: skip
    found += [
        Part("Card reader PN532", "its switches set to I2C", True, (
            Wire("SDA", "CARD_SDA", "a bus of its own; 4.7 kΩ to 3V3 if the module has none", BLUE),
            Wire("SCL", "CARD_SCL", "the same", AMBER),
            Wire("IRQ", "CARD_IRQ", "also P70_IRQ; low when an answer waits", GREEN),
            Wire("RSTPD_N", "CARD_RESET", "reset, not the output RSTO; without it only power-off frees a stuck reader",
                 PURPLE),
        ), power, "on the usual red module switch 1 ON, 2 OFF; on 5V its SDA and SCL would be at 5 V, too"),
        Part("Button", "to GND", True,
             (Wire("contact", "BUTTON", "the other contact to GND; pull-up is inside", CYAN),),
             (("other contact", "GND"),), ""),
        Part("Alarm LED", "1 kΩ in series", True,
             (Wire("anode", "ALARM_LED", "through 1 kΩ, cathode to GND; high = on", RED),),
             (("cathode", "GND"),), ""),
        metering_ic(board),
        Part("Latching relay", "two coils, each with a driver", False, (
            Wire("coil open", "RELAY_OPEN", "driver input; 10 kΩ to GND, so no coil pulls while the ESP32 starts",
                 RED, "GND"),
            Wire("coil close", "RELAY_CLOSE", "the same; never both, best locked against each other", GREEN, "GND"),
            Wire("sense", "RELAY_SENSE",
                 f"high in half waves of the voltage behind the contact, by an optocoupler; {NO_PULL}", BLUE, "GND"),
        ), (("driver", "12V"), ("GND", "GND")), "coils take 12 V and 250 mA for 60 ms: not from the ESP32's board"),
        Part("Cover switch", "through a latch with a battery", False, (
            Wire("Q", "COVER", f"high = open, or was open; {NO_PULL}", PURPLE, "GND"),
            Wire("clear", "COVER_CLEAR", "high clears the latch", AMBER),
        ), power, "battery too, or an opening without mains is not remembered"),
        Part("Magnet sensor", "Hall switch", False, (
            Wire("OUT", "MAGNET", f"high = magnet near (an active-low part needs an inverter); {NO_PULL}", CYAN, "GND"),
        ), power, "one with a push-pull output, for 3.3 V"),
        Part("Buzzer, active", "with a transistor", False,
             (Wire("drive", "BUZZER", "by a transistor, not from the pin; high = on", BROWN),), (("GND", "GND"),), ""),
    ]  # fmt: skip
    return found


def metering_ic(board: Board) -> Part:
    single = board.constants["MeterIc"] == "Atm90e26"
    mind = (
        "USEL to GND, reset high; crystal 8.192 MHz"
        if single
        else "PM0 and PM1 to 3V3, reset high; else every register reads 0xFFFF"
    )
    extra = (("GND, USEL", "GND"),) if single else (("GND", "GND"),)
    return Part(
        "Metering IC " + ("ATM90E26" if single else "ATM90E32AS"), "may be at mains voltage: isolate!", False, (
            Wire("SCLK", "SPI_SCK", "3.3 V; at mains potential through a digital isolator", AMBER),
            Wire("SDI", "SPI_MOSI", "the same", GREEN),
            Wire("SDO", "SPI_MISO", "the same", BLUE),
            Wire("CS", "METER_CS", "the same; 10 kΩ to 3V3", PURPLE, "3V3"),
            Wire("CF1", "METER_CF1", f"pulses of active energy, a check; {NO_PULL}", PINK, "GND"),
        ), (("VDD" if single else "VDD, PM0, PM1", "3V3"), *extra), mind,
    )  # fmt: skip
