# SPDX-License-Identifier: Apache-2.0
"""What is measured while cuts are tried: the worst of each."""

from dataclasses import dataclass


@dataclass
class Figures:
    lost_uwh: int = 0  # most energy lost in one cut
    held_ms: int = 0  # longest time since the last booked read when power went
    boot_ms: int = 0  # longest time from power to the first booked tick

    def cut(self, lost_uwh: int, held_us: int) -> None:
        self.lost_uwh = max(self.lost_uwh, lost_uwh)
        self.held_ms = max(self.held_ms, held_us // 1000)

    def boot(self, ms: int) -> None:
        self.boot_ms = max(self.boot_ms, ms)
