"""All that is fuzzed. Name -> (target, what gives inputs to begin with)."""

from fuzz import board_targets, circle_targets, core, home_target, host_targets, log_targets

MODULES = (core, host_targets, home_target, board_targets, circle_targets, log_targets)
TARGETS = {name: found for module in MODULES for name, found in module.TARGETS.items()}
