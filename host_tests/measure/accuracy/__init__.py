# SPDX-License-Identifier: Apache-2.0
"""`make accuracy`: what error the firmware adds to the metering IC's, over the load table of the standards.

The real driver and the real booking, in this interpreter, before the chip model with an ideal front end: what is left
is the firmware's own error, and has to be next to nothing at every point. It says nothing about the front end of a
meter: that is what `make calibrate` and a test bench are for.

Editions: the limits, starting currents and test times are those of IEC 62053-21:2003 (class 1) and IEC 62053-22:2003
(class 0.5S). The editions of 2020 measure no-load and start-up by other formulas; a report under those needs
other times.
A direct connected meter of Ib = In = 5 A, Imax = 100 A, 3 x 230 V, 3200 imp/kWh, read with current_scale 2.

Durations are such that one count (3125 uWh) is at most 1 ppm of what a point counts. Where little flows, the meter is
read less often than each second, or a point would take hours of computing; never so seldom that a 16-bit register
could pass a half of its range.

    points  the load table, its limits, start-up and no load      rig   one point: IC, driver, booking
    plot    the errors as a picture (SVG)                          cli   the command
"""
