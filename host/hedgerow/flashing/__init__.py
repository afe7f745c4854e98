"""From a bare board to one of the mesh: firmware, MicroPython's image, and the way of both onto a board."""
