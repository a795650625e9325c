from .names import class_path as class_path
from .names import old_class_name as old_class_name
from .names import predictor_name as predictor_name
from .objects import read_predictor as read_predictor
from .objects import write_predictor as write_predictor
