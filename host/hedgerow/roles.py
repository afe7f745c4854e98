"""What a row of ``contacts`` stands for: most are the session with one device."""

CONTACT = 0  # a person, and the device of theirs that we know the longest
FURTHER = 1  # another device of a person, who is its ``person``
OWN = 2  # another device of our own account
MEMBER = 3  # a device that we know from a group only
GROUP = 4  # a group: its key is the id of its creation
