from .database import check_name as check_name
from .database import opened as opened
from .database import storage_of as storage_of
from .run import run_stored as run_stored
