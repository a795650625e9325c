from .contenders import contenders_of as contenders_of
from .contenders import searcher_of as searcher_of
from .study import FunctionStudy as FunctionStudy
from .task import FunctionTask as FunctionTask
from .task import Wanted as Wanted
from .task import check_names as check_names
from .task import constraints_of as constraints_of
from .typed import function_named as function_named
