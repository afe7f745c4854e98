"""Updates of boards' firmware: signed here, carried by the mesh, checked by each board."""
