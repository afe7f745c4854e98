"""python -m fuzz"""

import sys

from fuzz.run import main

try:
    sys.exit(main())
except KeyboardInterrupt:
    print("fuzz: Broken off: what was found until then is not kept.", file=sys.stderr)
    sys.exit(130)
