"""The web page: what the browser gets. Its source is `ui/`, and `hatch_build.py` builds it into ``files``."""
