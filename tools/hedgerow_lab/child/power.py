"""What happens when a virtual board gets power, before its main.py; it leaves the heap when it has run."""


def switch_on(config):
    """Make the board of ``config``; the program to run on it."""
    import sys
    from binascii import unhexlify

    import lab
    import vfs

    lab.costs = config["costs"]
    lab.connections = config["connections"]
    lab.ticks_offset = config["ticks_offset"]
    lab.rtc_start_ms = config["rtc_start_ms"]

    import os
    import random

    os._seed_urandom(unhexlify(config["seed"]))
    random.seed(int(config["seed"][:7], 16))
    from flash import Flash

    bag = config["bare"]
    if bag:
        import bare

        nvs = Flash("/pc" + config["flash"], 0, bag["nvs_offset"])
        bare.install(nvs, bag["nvs_bytes"], bag["machine"])

    import tasks

    # The built-in one would win by its name.
    sys.modules["_asyncio"] = tasks
    import machine
    import poller

    poller.install()
    if config["probe"]:
        import probe

        probe.install()
    machine._unique = unhexlify(config["address"])
    machine._cause = config["reset_cause"]
    if config["battery_uv"] is not None:
        import battery

        battery._uv = config["battery_uv"]
        machine.ADC = battery.ADC
    machine._rtc_memory = unhexlify(config["rtc_memory"])

    import esp32
    import flashbdev

    esp32.path = "/pc" + config["nvs"]
    device = Flash("/pc" + config["flash"], config["flash_blocks"], config["flash_offset"])
    lab.connect(config["read_fd"], config["write_fd"])
    lab.exchange(0)
    flashbdev.bdev = device
    if bag:
        if "/rom" in sys.path:
            vfs.umount("/pc")
        return compile(f"import bare; bare.start({bag['raw']})", "bare", "exec")
    ran = len(os.listdir(esp32.path)) > 0  # only then it matters what is on the flash
    try:
        vfs.mount(vfs.VfsLfs2(device), "/")
    except OSError:
        if ran:
            # As where the firmware is frozen into MicroPython: it starts, and sees that there are no files.
            return _program("/pc" + config["entry"])
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/")
    if config["settings"] is not None and not ran:
        for name in ("/settings.a", "/settings.b"):
            try:
                os.stat(name)
            except OSError:
                with open(name, "wb") as file:
                    file.write(unhexlify(config["settings"]))
    if not config["files"]:
        return _program("/pc" + config["entry"])
    # A board whose firmware lies in files, as on a real one; the console stays the lab's.
    __import__("hedgerow_console")
    sys.path += ["/lib", "/"]
    if not ran:
        for name, source in config["files"].items():
            _copy("/pc" + source, name)
    return _program("/main.py")


def _copy(source, name):
    import os

    folder = name.rpartition("/")[0]
    parts = folder.split("/")
    for end in range(2, len(parts) + 1):
        try:
            os.mkdir("/".join(parts[:end]))
        except OSError:
            pass  # it is there
    with open(source, "rb") as source, open(name, "wb") as file:
        part = source.read(4096)
        while part:
            file.write(part)
            part = source.read(4096)


def _program(path):
    with open(path) as file:
        return compile(file.read(), path, "exec")
