"""Runs tests/core/test_*.py under MicroPython, from the top of the repository; not the property tests."""

import gc
import os
import sys

# Another folder may be named that holds hedgerow_core.
sys.path[:0] = [sys.argv[1] if len(sys.argv) > 1 else "shared", "tests/core"]
passed = failed = 0
for name in sorted(os.listdir("tests/core")):
    if not name.startswith("test_") or not name.endswith(".py") or name.endswith("_properties.py"):
        continue
    module = __import__(name[:-3])
    for test in sorted(dir(module)):
        if not test.startswith("test_"):
            continue
        gc.collect()
        try:
            getattr(module, test)()
            passed += 1
        except Exception as error:
            failed += 1
            print("FAILED", name, test)
            sys.print_exception(error)
bits = 64 if sys.maxsize > 1 << 32 else 32
version = ".".join(str(part) for part in sys.implementation[1][:3])
print(f"core under MicroPython {version}, {bits}-bit: {passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
