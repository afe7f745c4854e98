"""`flashbdev`: the block device that the file system lies on."""

bdev = None
