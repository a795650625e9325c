from .code import code_digest as code_digest
from .database import check_name as check_name
from .database import opened as opened
from .database import storage_of as storage_of
from .identity import differences as differences
from .identity import function_name as function_name
from .run import run_stored as run_stored
