# SPDX-License-Identifier: Apache-2.0
# Stand-in for MicroPython's select module: waiting moves the plant's clock, an interrupt ends it early.
# It polls what Python streams offer (asyncio.ThreadSafeFlag); sockets are not part of this bench yet.
import link
from micropython import const
from ops import SLEEP_MS, SLEEP_US, TURN

POLLIN = 1
POLLOUT = 4
_MP_STREAM_POLL = const(3)
_BUSY_MAX = const(50)
_LITTLE = const(12)  # bytes: three pieces of computing that the plant has not been told of


class poll:
    def __init__(self):
        self._objects = []
        self._busy = 0

    def register(self, obj, eventmask=POLLIN | POLLOUT):
        for entry in self._objects:
            if entry[0] is obj:
                entry[1] = eventmask
                return
        self._objects.append([obj, eventmask])

    def modify(self, obj, eventmask):
        for entry in self._objects:
            if entry[0] is obj:
                entry[1] = eventmask
                return
        raise OSError(2)

    def unregister(self, obj):
        objects = self._objects
        for i in range(len(objects)):
            if objects[i][0] is obj:
                objects.pop(i)
                return

    def _ready(self):
        ready = ()
        for entry in self._objects:
            if entry[1]:
                flags = entry[0].ioctl(_MP_STREAM_POLL, entry[1])
                if flags:
                    ready += ((entry[0], flags),)
        return ready

    def ipoll(self, timeout=-1, flags=0):
        ready = self._ready()
        if ready or timeout == 0:
            # A loop that never sleeps must not stop the clock for good: what it spends has to get to the plant.
            # Nor may it stand still while a task computes in steps: what is due meanwhile would not be seen.
            computed = link.waits() > _LITTLE
            link.spend(TURN, 0)
            self._busy += 1
            if self._busy > _BUSY_MAX or computed:
                self._busy = 0
                link.sleep(SLEEP_US, 0 if computed else 100)
            return iter(ready)
        self._busy = 0
        while True:
            # The plant wakes us for an interrupt; a flag set by its handler is then ready.
            link.sleep(SLEEP_MS, timeout if timeout >= 0 else 1000)
            ready = self._ready()
            if ready or timeout >= 0:
                link.spend(TURN, 0)
                return iter(ready)

    def poll(self, timeout=-1):
        return list(self.ipoll(timeout))
