"""What can go wrong in a log, in the words of the three families; shared by every adapter of the port."""

from __future__ import annotations

from foedus.base.errors import Unavailable, UsageError


class BrokenCommit(UsageError):
    """The commit does not fit the store: a gap in a chain, an event held already, an unknown id. Nothing happened."""

    code = "broken_commit"
    http_status = 500
    remedy = "this is a fault in foedus; report it with the output of `foedus doctor`"


class NewerDatabase(UsageError):
    """A later foedus made this database."""

    code = "newer_database"
    http_status = 500
    remedy = "start the foedus that made it, or a later one; or restore a backup from before the upgrade"


class DamagedDatabase(Unavailable):
    """The file is no database, or its pages contradict each other."""

    code = "damaged_database"
    remedy = (
        "keep the file for inspection, restore the newest backup of this home folder, and start:"
        " the node fetches the rest from its peers"
    )


class DiskFull(Unavailable):
    """There is no room for the commit. Nothing of it happened."""

    code = "disk_full"
    http_status = 507
    remedy = "free some space on the disk of the home folder; the node goes on by itself"


class ReadOnly(Unavailable):
    """The database cannot be written."""

    code = "read_only"
    remedy = "give this user the right to write the home folder, and mount its disk read-write"


class DiskFailed(Unavailable):
    """The operating system reported an error while reading or writing."""

    code = "disk_failed"
    remedy = "look into the system's log for disk errors; restart the node when the disk is well"


class DatabaseBusy(Unavailable):
    """Another program holds the database."""

    code = "database_busy"
    remedy = "close the other program that has this database open"


class LogClosed(Unavailable):
    """The log was closed."""

    code = "closed"
    remedy = "restart the node"
