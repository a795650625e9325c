from .importing import accepts as accepts
from .importing import read as read
