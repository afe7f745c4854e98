"""What is fuzzed of core; runs on CPython and on MicroPython."""

from fuzz.core import content, exchange, links, managing, radio, sessions, telling, updates

TARGETS = {}
for module in (content, radio, telling, managing, updates, exchange, sessions, links):
    TARGETS.update(module.TARGETS)
