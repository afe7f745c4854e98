"""Boards and meshes as this computer knows them, and what it asks of boards."""
