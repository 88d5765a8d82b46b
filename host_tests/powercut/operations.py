# SPDX-License-Identifier: Apache-2.0
"""Every operation of a meter that outlives its power, numbered; and how a power cut tears one.

    fram-0123-none|half|all         a write transfer: no byte kept, half of them, all but nobody was told
    flash-0005-none|half|all        a program or an erase
    rtc-0001-none|all               a write transfer to the clock
    relay-0003-before|mid|after     a pulse: before it, in the middle of it, at its end
    card-0017-unheard|heard         an exchange: cut before the card has heard it, or before the meter hears the answer
    pull-0017-unheard|heard         no cut: the card leaves the slot at this exchange

Numbers begin again with each cut, so a second cut is named by what it hits after the first:
fram-0123-half+relay-0001-mid.
"""

from host_tests.bench.plant.flash import SECTOR

MID_PULSE_US = 30_000  # the contact has moved (15 ms), the pulse is too short to hold it (50 ms)


class PowerCut(Exception):
    """The mains goes, here."""


class Operations:
    """Watches a plant. offer(case, what) is asked at each way to cut; True: it happens."""

    def __init__(self, plant, auditor):
        self.plant = plant
        self.auditor = auditor
        self.offer = lambda case, what: False
        self.taken = ""  # the case that happened last
        self.live = False  # there is power: what falls off without it is no operation
        self.begin()
        self._fram_write, plant.fram.i2c_write = plant.fram.i2c_write, self._fram
        self._rtc_write, plant.rtc.i2c_write = plant.rtc.i2c_write, self._rtc
        self._flash_program, plant.flash.program = plant.flash.program, self._program
        self._flash_erase, plant.flash.erase = plant.flash.erase, self._erase
        for pin, name in ((plant.board.RELAY_OPEN, "open"), (plant.board.RELAY_CLOSE, "close")):
            plant.on_output[pin] = self._coil(plant.on_output[pin], name)

    def begin(self) -> None:
        """Count from one: there has just been a cut."""
        self.counts = dict.fromkeys(("fram", "flash", "rtc", "relay", "card"), 0)
        self._life = object()

    def _next(self, kind):
        self.counts[kind] += 1
        return self.counts[kind]

    def _asked(self, kind, number, how, what):
        case = f"{kind}-{number:04d}-{how}"
        if not self.live or not self.offer(case, what):
            return False
        self.taken = case
        return True

    # -- memories ---------------------------------------------------------------------------------

    def _fram(self, data, now_us, byte_us):
        if len(data) <= 2:  # sets the address for a read
            self._fram_write(data, now_us, byte_us)
            return
        at, kept = data[0] << 8 | data[1], data[2:]
        number, what = self._next("fram"), self.auditor.name_of(at, kept)
        if self.plant.fram.keeps_nothing:
            self.auditor.unkept = True
            self._fram_write(data, now_us, byte_us)
            if self._asked("fram", number, "all", f"{what}, not kept"):
                self.plant.clock.spend(byte_us * len(data))
                raise PowerCut
            return
        for how, n in (("none", 0), ("half", len(kept) // 2)):
            if self._asked("fram", number, how, what):
                self.plant.clock.spend(byte_us * (3 + n))
                self.plant.fram.cut_after_bytes = n
                self.plant.fram.on_cut = self._fail
        self._fram_write(data, now_us, byte_us)
        self.auditor.fram_written(at, kept)
        if self._asked("fram", number, "all", what):
            self.plant.clock.spend(byte_us * len(data))
            raise PowerCut

    def _fail(self, _now_us):
        self.plant.fram.on_cut = None
        raise PowerCut

    def _rtc(self, data, now_us, byte_us):
        if len(data) <= 1:
            self._rtc_write(data, now_us, byte_us)
            return
        number, what = self._next("rtc"), f"clock register {data[0]:02X}H"
        if self._asked("rtc", number, "none", what):
            raise PowerCut
        self._rtc_write(data, now_us, byte_us)
        if self._asked("rtc", number, "all", what):
            raise PowerCut

    def _program(self, offset, data):
        number, what = self._next("flash"), f"program {len(data)} bytes at 0x{offset:x}{self.auditor.place_of(offset)}"
        if self._asked("flash", number, "none", what):
            raise PowerCut
        if self._asked("flash", number, "half", what):
            self.plant.flash.cut_program(offset, data, len(data) // 2, number)
            raise PowerCut
        taken = self._flash_program(offset, data)
        if taken:
            self.auditor.flash_programmed(offset, data)
        if self._asked("flash", number, "all", what):
            raise PowerCut
        return taken

    def _erase(self, sector):
        number, what = self._next("flash"), f"erase of block {sector}{self.auditor.place_of(sector * SECTOR)}"
        if self._asked("flash", number, "none", what):
            raise PowerCut
        if self._asked("flash", number, "half", what):
            self.plant.flash.cut_erase(sector, number)
            raise PowerCut
        taken = self._flash_erase(sector)
        if self._asked("flash", number, "all", what):
            raise PowerCut
        return taken

    # -- relay and card ---------------------------------------------------------------------------

    def _coil(self, drive, name):
        def edge(level):
            what = f"{name} pulse"
            if not level:
                drive(level)
                if self._asked("relay", self.counts["relay"], "after", what):
                    raise PowerCut
                return
            number, life = self._next("relay"), self._life
            if self._asked("relay", number, "before", what):
                raise PowerCut
            drive(level)

            def mid(_now_us):
                if self._life is life and self._asked("relay", number, "mid", what):
                    raise PowerCut

            self.plant.clock.at(self.plant.clock.now_us + MID_PULSE_US, mid)

        return edge

    def watch_card(self, card) -> None:
        """Count the exchanges of a card while it is in the meter's slot."""
        hear = card.transceive

        def transceive(command):
            if self.plant.reader.card is not card:  # it lies at the desk
                return hear(command)
            number, what = self._next("card"), f"exchange {command[0]:02X}"
            if self._asked("card", number, "unheard", what):
                raise PowerCut
            for how in ("unheard", "heard"):
                if self._asked("pull", number, how, what):
                    card.pull_after(0, how == "heard")
            answer = hear(command)
            if self._asked("card", number, "heard", what):
                raise PowerCut
            return answer

        card.transceive = transceive
