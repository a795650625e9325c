from .contract import TableFormat as TableFormat
from .contract import refuse_schema as refuse_schema
from .names import SOURCES as SOURCES
from .reading import directed as directed
from .reading import make_source as make_source
from .reading import read_tables as read_tables
from .reading import source_names as source_names
