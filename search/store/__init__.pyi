from .run import opened as opened
from .run import run_stored as run_stored
from .run import storage_of as storage_of
