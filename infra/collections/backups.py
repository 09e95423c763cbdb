"""The files that editors and version control keep beside a source file. No deployment reads them."""

import re

_BACKUP = re.compile(
    r".*~"  # Emacs, Kate, gedit, nano -B, Vim
    r"|\.?#.*"  # Emacs: an unsaved file, and the link that locks it
    r"|.*\.(?i:bak|orig|rej|save(\.\d+)?|tmp|old|sw[a-z]|kate-swp)"  # also patch, git and nano
    r"|.*___jb_(tmp|old|bak)___"  # JetBrains
    r"|\.goutputstream-.*"  # gedit
    r"|\d{4,5}"  # Vim creates 4913 to find out whether it may write
    r"|.*_(BACKUP|BASE|LOCAL|REMOTE)_\d+(\..*)?",  # git mergetool
    re.DOTALL,
)


def is_backup(name: str) -> bool:
    """Return whether a file with this name is a copy or a marker of an editor, not a source."""
    return _BACKUP.fullmatch(name) is not None
